import { describe, expect, it } from 'vitest';
import { readPolicyFile } from '../../src/config/policy.ts';
import { authorize } from '../../src/provision/authorize.ts';
import { standardAcl } from '../../src/web/pages/parts/access-words.ts';
import { testIds } from '../support/provisioning.ts';
import { eventually, everyLook, inBrowser } from './harness.ts';
import { populated } from './populated.ts';

inBrowser('the access control list of a group', populated, (site) => {
  const stored = async () => (await site.dashboard.api().get(`/groups/${site.group}`)).body.group;
  const open = async (look: (typeof everyLook)[number] = 'light') => {
    const screen = await site.dashboard.openAt(`/groups/${site.group}`, look);
    await screen.page.getByLabel('Access control list').waitFor();
    return screen;
  };

  it.each(everyLook)('begins one of its own with what the standard one says (%s)', async (look) => {
    const screen = await open(look);
    const { page } = screen;
    await page.getByLabel('Access control list').selectOption('own');
    const first = page.getByRole('group', { name: 'Entry 1' });
    expect(await first.getByLabel('Who').inputValue()).toBe('owner');
    expect(await first.getByLabel('notify').isChecked()).toBe(true);
    expect(await first.getByLabel('* all resources').isChecked()).toBe(true);
    await first.scrollIntoViewIfNeeded();
    await screen.expectGood('group-access');
    await page.getByRole('button', { name: 'Take out entry 1' }).click();
    await page.getByText('No entry names the owner').waitFor();
    await screen.expectGood('group-access-without-owner');
  });

  it('is written entry by entry, tells at a field what is wrong there, and is stored as it was written', async () => {
    const screen = await open();
    const { page } = screen;
    await page.getByLabel('Access control list').selectOption('own');
    await page.getByRole('button', { name: 'Add an entry' }).click();
    const added = page.getByRole('group', { name: 'Entry 4' });
    await eventually(() => added.getByLabel('Who').evaluate((it) => it === it.ownerDocument.activeElement)).toBe(true);
    await added.getByLabel('Who').selectOption('uuid');
    await added.getByLabel('UUID').fill('somebody');
    await added.getByLabel('Paths').fill('heater/limits');
    await added.getByText('path 1 (heater/limits): it has to begin with /').waitFor();
    await page.getByRole('button', { name: 'See what it would do' }).click();
    await page.getByText('Put this right first: path 1 (heater/limits)').waitFor();
    await eventually(() => added.getByLabel('Paths').evaluate((it) => it === it.ownerDocument.activeElement)).toBe(
      true,
    );

    await added.getByLabel('Paths').fill('/heater/limits\n*');
    await eventually(() => added.getByLabel('* all resources').isChecked()).toBe(true);
    expect(await added.getByLabel('Paths').inputValue()).toBe('/heater/limits');
    await added.getByLabel('* all resources').uncheck();
    await page.getByRole('button', { name: 'See what it would do' }).click();
    await added.getByText('expected owner, hub, anonymous').waitFor();
    expect(await added.getByLabel('UUID').getAttribute('aria-invalid')).toBe('true');
    await screen.picture('group-access-complaint');
    expect(await screen.breaches()).toEqual([]);

    await added.getByLabel('Who').selectOption('role');
    await added.getByLabel('Role', { exact: true }).fill('fitter');
    await added.getByLabel('Authority of the role').fill('acme');
    await added.getByLabel('update').check();
    await page.getByRole('button', { name: 'Take out entry 2' }).click();
    await eventually(() => page.evaluate<string | null>('document.activeElement.getAttribute("aria-label")')).toBe(
      'Take out entry 2',
    );
    await page.getByRole('button', { name: 'See what it would do' }).click();
    await page.getByRole('heading', { name: 'What it would do' }).waitFor();
    expect((await stored()).acl).toBeUndefined();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Nothing is changed.').waitFor();
    expect((await stored()).acl).toEqual([
      standardAcl[0],
      standardAcl[2],
      {
        subject: { role: 'fitter', authority: 'acme' },
        permission: ['retrieve', 'update'],
        resources: ['/heater/limits'],
      },
    ]);
  });

  it('tells of several faults each where it is', async () => {
    const screen = await open();
    const { page } = screen;
    await page.getByLabel('Access control list').selectOption('own');
    for (const name of ['create', 'retrieve', 'update', 'delete', 'notify']) {
      await page.getByRole('group', { name: 'Entry 1' }).getByLabel(name).uncheck();
    }
    await page.getByRole('button', { name: 'Add an entry' }).click();
    await page.getByRole('button', { name: 'See what it would do' }).click();
    const may = page.getByRole('group', { name: 'Entry 1' }).getByRole('group', { name: 'May' });
    await may.getByRole('alert').waitFor();
    await page.getByRole('group', { name: 'On what' }).last().getByRole('alert').waitFor();
    expect(await may.getByRole('alert').textContent()).not.toContain('resources');
  });
});

describe('the list that one of its own begins with', () => {
  it('gives devices what they get from a group without a list', () => {
    const hub = { id: testIds.hub, gateways: ['coaps+tcp://hub.example.com:5684'] };
    const group = { name: 'one', owner: 'acme', pins: ['ab'.repeat(32)], hubs: [hub.id] };
    const entriesOf = (written: object) => {
      const [read] = readPolicyFile(JSON.stringify({ groups: [written], hubs: [hub] }), 'policy', '.').groups;
      if (!read) throw new Error('there is no group');
      const list = authorize(read, { ownerId: testIds.owner, deviceId: undefined, commonName: undefined });
      return list.ok ? list.value.entries : list.refusal;
    };
    expect(entriesOf({ ...group, acl: standardAcl })).toEqual(entriesOf(group));
  });
});
