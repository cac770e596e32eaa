import { expect, it } from 'vitest';
import { eventually, everyLook, inBrowser } from './harness.ts';
import { populated } from './populated.ts';

inBrowser('groups', populated, (site) => {
  const stored = async () => (await site.dashboard.api().get(`/groups/${site.group}`)).body.group;

  it.each(everyLook)('lists groups, and shows one with its certificates in words and no keys (%s)', async (look) => {
    const screen = await site.dashboard.openAt('/groups', look);
    const { page } = screen;
    await page.getByRole('link', { name: 'field trial' }).waitFor();
    await screen.expectGood('groups');
    await page.getByRole('link', { name: 'field trial' }).click();
    await page.getByText('O=Example Devices, CN=Example Devices Root CA').first().waitFor();
    expect(await page.getByLabel('Key of gw-*').inputValue()).toBe('');
    await screen.expectGood('group');
    const blank = await page.locator('.data-table .gap').evaluateAll((gaps) => gaps.map((gap) => gap.clientHeight));
    expect(
      blank.filter((height) => height > 0),
      'px that stand for rows that are not there',
    ).toEqual([]);
    await page.evaluate('scrollTo(0, document.body.scrollHeight)');
    await page.getByText('Nobody is on this list').waitFor();
    await screen.expectGood('group-lists');
  });

  it('shows what a change would do and who would fare otherwise, before it is saved; keys that are not named stay', async () => {
    const screen = await site.dashboard.openAt(`/groups/${site.group}`);
    const { page } = screen;
    await page.getByLabel('Admission of new devices').selectOption('auto');
    await page.getByText('Changed: admission.').waitFor();
    await page.getByRole('button', { name: 'Who of the last 30 days' }).click();
    await page.getByText('admit.pending → accepted').first().waitFor();
    await page.getByRole('button', { name: 'See what it would do' }).first().click();
    await page.getByRole('heading', { name: 'What it would do' }).waitFor();
    await screen.expectGood('group-dry-run');
    expect((await stored()).admission).toBe('manual');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Nothing is changed.').waitFor();
    const toast = await page.locator('.toast').boundingBox();
    const panel = await page.locator('.save-panel').boundingBox();
    expect(toast && panel && toast.x + toast.width <= panel.x, 'the toast is beside the buttons').toBe(true);
    await screen.picture('group-saved');
    expect(await stored()).toMatchObject({ admission: 'auto', psk: [{ identity: 'gw-*', key: null, derived: true }] });
  });

  it('asks before edits are lost by the menu, a key or the search, and stays when it is told to', async () => {
    const screen = await site.dashboard.openAt(`/groups/${site.group}`);
    const { page } = screen;
    await page.getByLabel('One key in two places').selectOption('quarantine');
    await page.getByText('Changed: clones.').waitFor();
    const asked: string[] = [];
    let answer = false;
    page.on('dialog', (dialog) => {
      asked.push(dialog.type());
      void (answer ? dialog.accept() : dialog.dismiss());
    });
    await page.getByRole('link', { name: 'Devices', exact: true }).click();
    await page.getByRole('heading', { level: 1 }).click();
    await page.keyboard.press('g');
    await page.keyboard.press('d');
    await page.getByText('Changed: clones.').waitFor();
    await eventually(() => asked).toEqual(['confirm', 'confirm']);
    expect(page.url()).toContain(site.group);
    await page.close({ runBeforeUnload: true });
    await eventually(() => asked.at(-1)).toBe('beforeunload');
    answer = true;
    await page.getByRole('link', { name: 'Devices', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'Devices' }).waitFor();
    await page.getByRole('link', { name: 'Attempts', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'Attempts' }).waitFor();
    expect(asked).toEqual(['confirm', 'confirm', 'beforeunload', 'confirm']);
  });

  it('puts the complaint of the service at the field that it is about', async () => {
    const screen = await site.dashboard.openAt(`/groups/${site.group}`);
    const { page } = screen;
    await page.getByLabel('New pin').fill('not a pin');
    await page.getByRole('group', { name: 'Pinned keys' }).getByRole('button', { name: 'Add' }).click();
    await page.getByRole('button', { name: 'See what it would do' }).first().click();
    await page.getByRole('group', { name: 'Pinned keys' }).getByRole('alert').waitFor();
    await screen.picture('group-complaint');
    expect(await screen.breaches()).toEqual([]);
  });

  it('tells when somebody else was faster, what they changed, and puts mine on top', async () => {
    const screen = await site.dashboard.openAt(`/groups/${site.group}`);
    const { page } = screen;
    await page.getByLabel('One key in two places').selectOption('quarantine');
    const { id: _, ownerId: _owner, source: _source, revision: _revision, ...group } = await stored();
    await site.dashboard.api().put(`/groups/${site.group}`, { ...group, reprovisioning: 'keep' });
    await page.getByRole('button', { name: 'See what it would do' }).first().click();
    await page.getByText('They changed: reprovisioning.').waitFor();
    await screen.picture('group-conflict');
    expect(await screen.breaches()).toEqual([]);
    await page.getByRole('button', { name: 'Put my changes on top of theirs' }).click();
    await page.getByRole('button', { name: 'See what it would do' }).first().click();
    await page.getByRole('heading', { name: 'What it would do' }).waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Nothing is changed.').waitFor();
    expect(await stored()).toMatchObject({ reprovisioning: 'keep', clones: 'quarantine' });
  });

  it('makes a group from pasted PEM, and goes to it', async () => {
    const screen = await site.dashboard.openAt('/new/group', 'dark');
    const { page } = screen;
    await page.getByLabel('Name', { exact: true }).fill('line 9');
    await page.getByLabel('Owner', { exact: true }).fill('washers');
    await page.getByLabel('New anchor').fill(site.otherRoot);
    await page.getByRole('group', { name: 'Trust anchors' }).getByRole('button', { name: 'Add' }).click();
    await page.getByText('O=Example Devices, CN=Example Devices Root CA').first().waitFor();
    await page.getByRole('group', { name: 'Hubs' }).getByRole('button', { name: 'Add' }).click();
    await page.getByRole('button', { name: 'See what it would do' }).first().click();
    await page.getByText('is added as').waitFor();
    await screen.expectGood('group-new');
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByRole('heading', { level: 1, name: 'line 9' }).waitFor();
  });

  it('imports a list after a dry run, and names each line that does not fit', async () => {
    const screen = await site.dashboard.openAt(`/groups/${site.group}`);
    const { page } = screen;
    await page.getByText('Import a file', { exact: true }).click();
    const text = 'serial,note\n0a1b,first\nnot hex,second\n0a1b,again\n';
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'batch.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
    await page.getByRole('button', { name: 'Import to the allow list' }).click();
    await page.getByText('Nothing is written yet.').waitFor();
    await page.getByText('problem: serial').waitFor();
    await screen.picture('group-import');
    await page.getByLabel('Take what is right').check();
    await page.getByRole('button', { name: 'Import to the allow list' }).click();
    await page.getByText('Imported.').waitFor();
    await page.getByRole('button', { name: 'Remove serial 0a1b' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await page.getByText('Nobody is on this list').waitFor();
  });

  it('says where a group of a file is changed, and does not let it be changed here', async () => {
    const screen = await site.dashboard.openAt('/groups/development%20devices');
    const { page } = screen;
    await page.getByText('It is written in a configuration file').waitFor();
    expect(await page.getByLabel('Name', { exact: true }).isDisabled()).toBe(true);
    expect(await page.getByRole('button', { name: 'Save' }).count()).toBe(0);
    await screen.expectGood('group-of-file');
  });
});
