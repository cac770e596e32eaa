import { expect, it } from 'vitest';
import { readPolicyFile } from '../../src/config/policy.ts';
import { createDevelopmentPki } from '../../src/pki/development.ts';
import type { EnrollmentGroup, Hub } from '../../src/store/model.ts';
import { policyCorpus } from '../support/corpus-policy.ts';
import { policyExamples, writePolicyFiles } from '../support/policy-page.ts';
import { testGroup, testHub } from '../support/provisioning.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { eventually, inBrowser, type Screen, started } from './harness.ts';

interface Sample {
  readonly title: string;
  readonly group: EnrollmentGroup;
  readonly hubs: readonly Hub[];
}

/** Groups of docs/policy.md and of the corpus of refusals; those that no policy can say are left out: a group without a hub. */
async function samples(): Promise<readonly Sample[]> {
  const { path } = await temporaryFolder();
  writePolicyFiles(path, Date.now());
  const ofPage = policyExamples.flatMap(({ title, text }) => {
    const { groups, hubs } = readPolicyFile(text, title, path, { source: 'operator' });
    return groups.map((group) => ({ title: `${title}: ${group.name}`, group, hubs }));
  });
  const pki = createDevelopmentPki({ devices: 1, hubId: testHub().id, now: Date.now() });
  const ofCorpus = policyCorpus.flatMap(({ name, options }) => {
    const group = testGroup(pki, { ...options?.group, source: 'operator' });
    return options?.group === undefined || group.hubs.length === 0
      ? []
      : [{ title: name, group, hubs: [testHub({ source: 'operator' })] }];
  });
  return [...ofPage, ...ofCorpus];
}

const begin = async () => ({ ...(await started()), all: await samples() });

inBrowser('groups that are saved from the form', begin, (site) => {
  const read = async (id: string) => {
    const { revision: _, ...group } = (await site.dashboard.api().get(`/groups/${id}`)).body.group;
    return group;
  };

  /** Touches what has a form of its own, and puts it back. */
  const thereAndBack = async ({ page }: Screen): Promise<void> => {
    const kind = page.getByLabel('Which hub a device is sent to first');
    const allocation = await kind.inputValue();
    await kind.selectOption(allocation === 'hashed' ? 'first' : 'hashed');
    await kind.selectOption(allocation);
    const list = page.getByLabel('Access control list');
    const acl = await list.inputValue();
    await list.selectOption(acl === 'own' ? 'standard' : 'own');
    await list.selectOption(acl);
    for (const box of await page.getByRole('group', { name: 'May' }).getByRole('checkbox').all()) {
      await box.click();
      await box.click();
    }
    const payload = page.getByLabel('Payload, as JSON');
    await payload.fill(`${await payload.inputValue()} `);
  };

  it('have lost nothing of what the policy page and the corpus say', async () => {
    expect(site.all.length).toBeGreaterThan(20);
    const screen = await site.dashboard.openAt('/');
    const { page } = screen;
    const { groups, hubs } = site.dashboard.service.store;
    const lost: string[] = [];
    for (const { title, group, hubs: needed } of site.all) {
      for (const hub of needed) await hubs.put({ ...hub, source: 'operator' });
      await groups.put(group);
      const before = await read(group.id);
      await screen.goto(`/groups/${group.id}`);
      await page.getByLabel('Name', { exact: true }).waitFor();
      await thereAndBack(screen);
      await page.getByText('Nothing is changed.').waitFor();
      await page.getByLabel('Name', { exact: true }).fill(`${group.name}, renamed`);
      await page.getByRole('button', { name: 'See what it would do' }).click();
      await page.getByRole('heading', { name: 'What it would do' }).waitFor();
      await page.getByRole('button', { name: 'Save' }).click();
      await eventually(async () => (await read(group.id)).name, title).toBe(`${group.name}, renamed`);
      const after = await read(group.id);
      if (JSON.stringify({ ...after, name: group.name }) !== JSON.stringify(before)) lost.push(title);
      const { psk, pins } = (await groups.get(group.id))?.attestation ?? {};
      expect({ psk, pins }, title).toEqual({ psk: group.attestation.psk, pins: group.attestation.pins });
      await groups.delete(group.id);
    }
    expect(lost).toEqual([]);
  }, 180_000);
});
