import { expect, it } from 'vitest';
import { developmentHub } from '../../src/development.ts';
import { eventually, everyLook, inBrowser, type Screen } from './harness.ts';
import { populated } from './populated.ts';

inBrowser('the hubs and the payload of a group', populated, (site) => {
  const stored = async () => (await site.dashboard.api().get(`/groups/${site.group}`)).body.group;
  const open = (look: (typeof everyLook)[number] = 'light') => site.dashboard.openAt(`/groups/${site.group}`, look);
  const save = async ({ page }: Screen): Promise<void> => {
    await page.getByRole('button', { name: 'See what it would do' }).click();
    await page.getByRole('heading', { name: 'What it would do' }).waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Nothing is changed.').waitFor();
  };
  const otherHub = async (): Promise<string> => {
    const { items } = (await site.dashboard.api().get('/hubs')).body;
    return items.find(({ hub }: { hub: { name: string } }) => hub.name === 'second cloud').hub.id;
  };

  it.each(everyLook)(
    'shows the fields of each kind of allocation, and finds one again that was left (%s)',
    async (look) => {
      const screen = await open(look);
      const { page } = screen;
      const kind = page.getByLabel('Which hub a device is sent to first');
      await page.getByRole('group', { name: 'Hubs' }).getByRole('button', { name: 'Add' }).click();
      await kind.selectOption('weights');
      await page.getByRole('group', { name: 'Weights' }).getByLabel('second cloud').fill('3');
      await page.getByText('75 % of the devices').waitFor();
      await kind.scrollIntoViewIfNeeded();
      await screen.expectGood('group-weights');
      await kind.selectOption('webhook');
      await page.getByLabel('Seconds that its answer may take').fill('2.5');
      await screen.expectGood('group-webhook');
      await kind.selectOption('static');
      await page.getByRole('button', { name: 'Add a device' }).click();
      await screen.expectGood('group-static');
      await kind.selectOption('weights');
      expect(await page.getByRole('group', { name: 'Weights' }).getByLabel('second cloud').inputValue()).toBe('3');
      await kind.selectOption('webhook');
      expect(await page.getByLabel('Seconds that its answer may take').inputValue()).toBe('2.5');
    },
  );

  it('sends single devices to hubs in the order that they are written in, and complains at the entry that is wrong', async () => {
    const other = await otherHub();
    const screen = await open();
    const { page } = screen;
    await page.getByRole('group', { name: 'Hubs' }).getByRole('button', { name: 'Add' }).click();
    await page.getByLabel('Which hub a device is sent to first').selectOption('static');
    const list = page.getByRole('group', { name: 'Devices and their hubs' });
    const [first, second] = [
      list.getByRole('group', { name: 'Entry 1' }),
      list.getByRole('group', { name: 'Entry 2' }),
    ];
    await list.getByRole('button', { name: 'Add a device' }).click();
    const focused = () => first.getByLabel('Known by').evaluate((it) => it === it.ownerDocument.activeElement);
    await eventually(focused).toBe(true);
    await first.getByLabel('Which').fill('O=Acme, CN=pilot-*');
    await list.getByRole('button', { name: 'Add a device' }).click();
    await second.getByLabel('Known by').selectOption('serial');
    await second.getByLabel('Which').fill('no serial');
    await second.getByLabel('Its hub').selectOption(other);
    await page.getByRole('button', { name: 'See what it would do' }).click();
    await second.getByText('hexadecimal').waitFor();
    expect(await second.getByLabel('Which').getAttribute('aria-invalid')).toBe('true');
    await page.getByRole('button', { name: 'Show me where' }).click();
    expect(await second.getByLabel('Which').evaluate((it) => it === it.ownerDocument.activeElement)).toBe(true);
    await screen.picture('group-static-complaint');
    expect(await screen.breaches()).toEqual([]);
    await second.getByLabel('Which').fill('0a1b');
    await list.getByRole('button', { name: 'Entry 2: up' }).click();
    await save(screen);
    expect((await stored()).allocation).toEqual({
      static: [
        { serial: '0a1b', hub: other },
        { subject: 'O=Acme, CN=pilot-*', hub: developmentHub.id },
      ],
    });
    await list.getByRole('button', { name: 'Take out entry 1' }).click();
    await list.getByRole('button', { name: 'Take out entry 1' }).click();
    const onAdd = () => page.evaluate<string | null>('document.activeElement.textContent');
    await eventually(onAdd).toBe('Add a device');
  });

  it('spreads by weights, and names a hub that has a weight and is not in the list any more', async () => {
    const other = await otherHub();
    const { id: _, ownerId: _owner, source: _source, revision: _revision, ...group } = await stored();
    const weights = { [developmentHub.id]: 90, [other]: 10 };
    await site.dashboard
      .api()
      .put(`/groups/${site.group}`, { ...group, hubs: [developmentHub.id, other], allocation: { weights } });
    const screen = await open();
    const { page } = screen;
    await page.getByText('10 % of the devices').waitFor();
    await page.getByRole('button', { name: 'Take out second cloud' }).click();
    await page.getByText('It is not among the hubs of the group').waitFor();
    await page.getByRole('button', { name: 'Take out the weight of second cloud' }).click();
    await page.getByRole('group', { name: 'Weights' }).getByLabel('development hub').fill('0.5');
    await save(screen);
    expect(await stored()).toMatchObject({
      hubs: [developmentHub.id],
      allocation: { weights: { [developmentHub.id]: 0.5 } },
    });
  });

  it('tells the line and the column where the payload is no JSON, and saves nothing before that is put right', async () => {
    const screen = await open();
    const { page } = screen;
    const payload = page.getByLabel('Payload, as JSON');
    await payload.fill('{\n  "region": "eu-1",\n  "every": 3600s\n}');
    await page.getByText('line 3, column 12: expected').waitFor();
    await payload.scrollIntoViewIfNeeded();
    await screen.expectGood('group-payload');
    await page.getByLabel('One key in two places').selectOption('quarantine');
    await page.getByRole('button', { name: 'See what it would do' }).click();
    await page.getByText('Put this right first: line 3, column 12').waitFor();
    await eventually(() => payload.evaluate((it) => it === it.ownerDocument.activeElement)).toBe(true);
    await payload.fill('{"region": "eu-1", "region": "eu-2"}');
    await page.getByText('line 1, column 20: the key "region" is here twice').waitFor();
    await payload.fill('["eu-1"]');
    await page.getByText('expected an object').waitFor();
    await payload.fill('{"region": "eu-1", "every": 3600}');
    await save(screen);
    expect(await stored()).toMatchObject({ payload: { region: 'eu-1', every: 3600 }, clones: 'quarantine' });
    await payload.fill('');
    await save(screen);
    expect(await stored()).not.toHaveProperty('payload');
  });

  it('takes no text into the form whose shape the service would not take', async () => {
    const screen = await open();
    const { page } = screen;
    await page.getByText('As text', { exact: true }).click();
    const text = page.getByLabel('JSON, as the API takes it');
    const written = JSON.parse(await text.inputValue());
    await text.fill(JSON.stringify({ ...written, acl: 'everybody' }));
    await page.getByRole('button', { name: 'Take it into the form' }).click();
    await page.getByText('acl: the value').waitFor();
    await text.fill(
      JSON.stringify({
        ...written,
        clones: 'quarantine',
        acl: [{ subject: 'hub', permission: ['notify'], resources: ['+'] }],
      }),
    );
    await page.getByRole('button', { name: 'Take it into the form' }).click();
    const first = page.getByRole('group', { name: 'Entry 1' });
    await eventually(() => first.getByLabel('Who').inputValue()).toBe('hub');
    expect(await first.getByLabel('+ all that').isChecked()).toBe(true);
  });
});
