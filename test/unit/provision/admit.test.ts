import { describe, expect, test } from 'vitest';
import { type AccessFacts, nobodyListed, readAccess, selectorMatches } from '../../../src/provision/access.ts';
import { admit, admitAgain } from '../../../src/provision/admit.ts';
import type { AccessList, Device, DeviceSelector, EnrollmentGroup } from '../../../src/store/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { someDevice, someGroup, startOfRecords } from '../../support/store-records.ts';

const device = someDevice(1, {
  manufacturer: { subject: 'O=Acme, CN=lamp-7', serial: '3fa2b1', certificate: undefined },
});
const subject = { keyId: device.keyId, serial: '3fa2b1', subject: 'O=Acme, CN=lamp-7' };
const group = (changes: Partial<EnrollmentGroup> = {}) => someGroup(1, { name: 'washing machines', ...changes });
const inState = (state: Device['state'], changes: Partial<Device> = {}): Device =>
  someDevice(1, { ...device, groupId: group().id, ownerId: group().owner.id, state, ...changes });
const listed = (device: DeviceSelector, note?: string) => ({ in: 'list', device, note }) as const;
const byKey: DeviceSelector = { by: 'key', value: device.keyId };

const facts = (changes: Partial<AccessFacts> = {}): AccessFacts => ({ ...nobodyListed, ...changes });
const codeOf = (decision: ReturnType<typeof admit>): string => (decision.ok ? 'ok' : decision.refusal.code);

describe('admission', () => {
  const preauthorized = facts({ preauthorized: listed(byKey) });
  const elsewhere = inState('active', { groupId: someGroup(7).id });

  test.each([
    ['auto', 'a new device', undefined, facts(), 'ok', 'auto'],
    ['auto', 'a waiting one: the policy has changed', inState('pending'), facts(), 'ok', 'auto'],
    ['manual', 'a new device', undefined, facts(), 'admit.pending', undefined],
    ['manual', 'a waiting one', inState('pending'), facts(), 'admit.pending', undefined],
    ['manual', 'a new one that is preauthorized', undefined, preauthorized, 'ok', 'preauthorized'],
    ['manual', 'a waiting one that is preauthorized', inState('pending'), preauthorized, 'ok', 'preauthorized'],
    ['manual', 'an active one', inState('active'), facts(), 'ok', undefined],
    ['preauthorized', 'a new device', undefined, facts(), 'admit.not-preauthorized', undefined],
    ['preauthorized', 'a new one on the list', undefined, preauthorized, 'ok', 'preauthorized'],
    ['preauthorized', 'a waiting one', inState('pending'), facts(), 'admit.not-preauthorized', undefined],
    ['preauthorized', 'an active one that is not on the list any more', inState('active'), facts(), 'ok', undefined],
    ['manual', 'an active one of another group', elsewhere, facts(), 'admit.pending', undefined],
    ['manual', 'an active one of another group on the list', elsewhere, preauthorized, 'ok', 'preauthorized'],
    ['preauthorized', 'an active one of another group', elsewhere, facts(), 'admit.not-preauthorized', undefined],
    ['preauthorized', 'an active one of another group on the list', elsewhere, preauthorized, 'ok', 'preauthorized'],
    ['auto', 'an active one of another group', elsewhere, facts(), 'ok', 'auto'],
  ] as const)('%s, %s', (admission, _, known, access, code, by) => {
    const decision = admit(group({ admission }), known, access, subject);
    expect(codeOf(decision)).toBe(code);
    if (decision.ok) expect(decision.value.by).toBe(by);
    else expect(decision.waits).toBe(code === 'admit.pending');
  });

  test('who waits is told so by its record: since when, by which admission, and what lets it in', () => {
    const waiting = inState('pending', { stateSince: startOfRecords + 1000, createdAt: startOfRecords });
    expect(admit(group({ admission: 'manual' }), waiting, facts(), subject)).toMatchObject({
      refusal: {
        evidence: {
          admission: 'manual',
          group: 'washing machines',
          since: '2026-01-01T00:00:01.000Z',
          firstSeen: '2026-01-01T00:00:00.000Z',
        },
        fix: `if it is yours: firstboot device approve ${device.keyId}`,
      },
    });
  });

  test('a fix is a command that a shell takes, whatever the group is called', () => {
    const odd = group({ name: "Anna's lamps", admission: 'preauthorized' });
    expect(admit(odd, undefined, facts(), subject)).toMatchObject({
      refusal: {
        fix: `if it is yours: firstboot group access add 'Anna'\\''s lamps' --list preauthorized --key ${device.keyId}`,
      },
    });
  });
});

describe('where it comes from', () => {
  const { id, owner } = group();

  test.each([
    ['a new device', undefined, { known: false, moved: undefined }],
    ['a known one', inState('active'), { known: true, moved: undefined }],
    ['one of another group', inState('active', { groupId: someGroup(7).id }), { known: true, moved: 'group' }],
    ['one of another owner', inState('active', { ownerId: someGroup(7).id }), { known: true, moved: 'owner' }],
    ['one of another group and owner', someDevice(1), { known: true, moved: 'owner' }],
    [
      'one that was transferred',
      inState('active', { assignedOwner: { id: someGroup(7).id, name: 'somebody else' }, ownerId: owner.id }),
      { known: true, moved: 'owner' },
    ],
  ])('%s is recorded as such', (_, known, value) => {
    expect(admit({ ...group(), id }, known, facts(), subject)).toMatchObject({ ok: true, value });
  });
});

describe('states', () => {
  test.each([
    ['quarantined', 'admit.quarantined', 'firstboot device release'],
    ['disabled', 'admit.disabled', 'firstboot device enable'],
    ['decommissioned', 'admit.decommissioned', 'firstboot device approve'],
  ] as const)('%s devices are refused by every admission, with the reason and the way back', (state, code, command) => {
    const held = inState(state, { stateReason: 'stolen', stateSince: startOfRecords });
    for (const admission of ['auto', 'manual', 'preauthorized'] as const) {
      const everywhere = facts({ preauthorized: listed(byKey), allow: listed(byKey) });
      expect(admit(group({ admission }), held, everywhere, subject)).toMatchObject({
        refusal: {
          code,
          evidence: { reason: 'stolen', since: '2026-01-01T00:00:00.000Z' },
          fix: expect.stringContaining(`${command} ${device.keyId}`),
        },
      });
    }
  });

  test('a quarantine names the alarm behind it', () => {
    const alarms = [{ at: startOfRecords, kind: 'two-places', evidence: {} }] as const;
    expect(admit(group(), inState('quarantined', { alarms }), facts(), subject)).toMatchObject({
      refusal: { evidence: { alarm: 'two-places' } },
    });
  });

  test('a device whose key was changed points to the record that goes on', () => {
    const successor = someDevice(2).keyId;
    expect(admit(group(), inState('decommissioned', { successor }), facts(), subject)).toMatchObject({
      refusal: { evidence: { successor }, fix: expect.stringContaining(`device show ${successor}`) },
    });
  });

  test('a disabled group refuses before anything else is asked', () => {
    const decision = admit(group({ enabled: false }), inState('disabled'), facts({ deny: listed(byKey) }), subject);
    expect(codeOf(decision)).toBe('admit.group-disabled');
  });
});

describe('lists', () => {
  test('deny beats allow, and the refusal names the entry', () => {
    const deny = listed({ by: 'subject', value: '*CN=lamp-*' }, 'recalled');
    const access = facts({ deny, allow: listed(byKey), allowsOnlyListed: true });
    expect(admit(group(), inState('active'), access, subject)).toMatchObject({
      refusal: {
        code: 'admit.denied',
        evidence: { list: 'deny', writtenIn: 'the list', by: 'subject', value: '*CN=lamp-*', note: 'recalled' },
        fix: "if it may come: firstboot group access remove 'washing machines' --list deny --subject '*CN=lamp-*'",
      },
    });
  });

  test('an entry of the group itself is changed where the group is written', () => {
    const deny = { in: 'group', device: { by: 'serial', value: '3fa2b1' }, note: undefined } as const;
    expect(admit(group(), undefined, facts({ deny }), subject)).toMatchObject({
      refusal: { evidence: { writtenIn: 'the group' }, fix: expect.stringContaining('serial 3fa2b1') },
    });
  });

  test('where anybody is allowed by name nobody else comes, and who is allowed still has to be approved', () => {
    expect(codeOf(admit(group(), undefined, facts({ allowsOnlyListed: true }), subject))).toBe('admit.not-allowed');
    const allowed = facts({ allowsOnlyListed: true, allow: listed(byKey) });
    expect(codeOf(admit(group(), undefined, allowed, subject))).toBe('ok');
    expect(codeOf(admit(group({ admission: 'manual' }), undefined, allowed, subject))).toBe('admit.pending');
  });

  test('one that waits and is denied is told that it is denied: no approval would help', () => {
    const decision = admit(group({ admission: 'manual' }), inState('pending'), facts({ deny: listed(byKey) }), subject);
    expect(decision).toMatchObject({ refusal: { code: 'admit.denied' }, waits: false });
  });
});

describe('in the middle of a session', () => {
  test.each([
    ['active', facts(), 'ok'],
    ['pending', facts(), 'admit.pending'],
    ['quarantined', facts(), 'admit.quarantined'],
    ['active', facts({ deny: listed(byKey) }), 'admit.denied'],
    ['active', facts({ allowsOnlyListed: true }), 'admit.not-allowed'],
  ] as const)('a device that is %s by now', (state, access, code) => {
    const decision = admitAgain(group(), inState(state), access);
    expect(decision.ok ? 'ok' : decision.refusal.code).toBe(code);
  });
});

describe('selectors', () => {
  test.each([
    [{ by: 'key', value: device.keyId }, true],
    [{ by: 'key', value: someDevice(2).keyId }, false],
    [{ by: 'serial', value: '3fa2b1' }, true],
    [{ by: 'serial', value: '3fa2b' }, false],
    [{ by: 'subject', value: 'O=Acme, CN=lamp-7' }, true],
    [{ by: 'subject', value: 'O=Acme, CN=lamp-*' }, true],
    [{ by: 'subject', value: '*lamp*' }, true],
    [{ by: 'subject', value: 'o=acme*' }, false],
    [{ by: 'subject', value: 'lamp-7' }, false],
  ] as const)('%j', (selector, matches) => {
    expect(selectorMatches(selector, subject)).toBe(matches);
  });

  test('a device without a certificate has no serial number that an entry could name', () => {
    const psk = { keyId: device.keyId, serial: undefined, subject: 'lamp-7' };
    expect(selectorMatches({ by: 'serial', value: 'undefined' }, psk)).toBe(false);
  });
});

describe('reading what the lists say', () => {
  const long: Partial<Record<AccessList, DeviceSelector>> = {
    allow: { by: 'serial', value: '3fa2b1' },
    preauthorized: byKey,
  };
  const asked: string[] = [];
  const hasAccess: Store['hasAccess'] = async (_, list) => long[list] !== undefined;
  const store: Pick<Store, 'findAccess' | 'hasAccess'> = {
    findAccess: async (groupId, list) => {
      asked.push(list);
      const device = long[list];
      return device && { groupId, list, device, note: 'by hand', addedAt: startOfRecords };
    },
    hasAccess,
  };

  test("a group's own entries come before its long list", async () => {
    const own = group({ allow: [{ by: 'subject', value: '*' }], admission: 'manual' });
    expect(await readAccess(store, own, subject, true)).toEqual({
      deny: undefined,
      allow: { in: 'group', device: { by: 'subject', value: '*' }, note: undefined },
      allowsOnlyListed: true,
      preauthorized: { in: 'list', device: byKey, note: 'by hand' },
    });
  });

  test('a subject and a serial that nobody vouches for keep a device out, but do not let it in', async () => {
    const own = group({
      deny: [{ by: 'subject', value: '*lamp-7' }],
      allow: [{ by: 'subject', value: '*' }],
      admission: 'manual',
    });
    const claimed = { ...subject, unverified: true };
    expect(await readAccess(store, own, claimed, true)).toEqual({
      deny: { in: 'group', device: own.deny[0], note: undefined },
      allow: undefined,
      allowsOnlyListed: true,
      preauthorized: { in: 'list', device: byKey, note: 'by hand' },
    });
    const byItsKey = await readAccess(store, group({ allow: [byKey] }), claimed, true);
    expect(byItsKey.allow).toMatchObject({ device: byKey });
  });

  test('who is preauthorized is only asked where it counts', async () => {
    asked.length = 0;
    await readAccess(store, group({ admission: 'manual' }), subject, false);
    await readAccess(store, group({ admission: 'auto' }), subject, true);
    expect(asked).toEqual(['allow', 'allow']);
  });
});
