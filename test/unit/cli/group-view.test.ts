import { expect, test } from 'vitest';
import { groupLines, shownGroup } from '../../../src/cli/operator/group-view.ts';
import { noDevices } from '../../../src/operator/groups.ts';
import type { EnrollmentGroup } from '../../../src/store/model.ts';
import { someGroup, startOfRecords } from '../../support/store-records.ts';

const key = 'MDEyMzQ1Njc4OWFiY2RlZg==';
const group = (changes: Partial<EnrollmentGroup>): EnrollmentGroup =>
  someGroup(1, { attestation: { x509: undefined, psk: [], pins: ['ab'.repeat(32)] }, ...changes });
const lines = (changes: Partial<EnrollmentGroup>): string =>
  groupLines({ group: group(changes), devices: noDevices(), hubs: [], lists: [] }, startOfRecords).join('\n');

test('a group says whether its owner has one key for all devices or one for each', () => {
  expect(lines({})).not.toContain('owner key');
  expect(lines({ ownerPsk: key })).toMatch(/owner key +derived for each device/);
  expect(lines({ ownerPsk: key, ownerPskShared: true })).toMatch(/owner key +the same for all devices/);
});

test('programs are told the same, and never the key', () => {
  expect(shownGroup(group({}))).not.toHaveProperty('ownerPskShared');
  for (const shared of [false, true]) {
    const shown = shownGroup(group({ ownerPsk: key, ...(shared && { ownerPskShared: true }) }));
    expect(shown.ownerPskShared).toBe(shared);
    expect(JSON.stringify(shown)).not.toContain(key);
  }
});
