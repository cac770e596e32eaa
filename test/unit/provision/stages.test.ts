import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seconds } from '../../../src/core/clock.ts';
import { decided, type ErrorCode } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { statusFlags } from '../../../src/core/status.ts';
import { authorize } from '../../../src/provision/authorize.ts';
import { bind, bound, settleClaim } from '../../../src/provision/bind.ts';
import { configure } from '../../../src/provision/configure.ts';
import { confirm } from '../../../src/provision/confirm.ts';
import type { AccessControlEntry, Step } from '../../../src/provision/contract.ts';
import { provisionedFlags, retrySlot, stepFailed, stepServed, steps } from '../../../src/provision/status.ts';
import {
  afterRefused,
  afterServed,
  noProgress,
  type Progress,
  progressOf,
  verdictAtEnd,
  verdictAtExpiry,
} from '../../../src/provision/verdict.ts';
import type { AttemptEntry, EnrollmentGroup } from '../../../src/store/model.ts';
import { codeOf } from '../../support/provisioning.ts';
import { someDevice, someGroup, someHub, someUuid } from '../../support/store-records.ts';

const now = Date.UTC(2026, 5, 1);
const { initialized, hasCredentials, hasAcls, hasCloud, failure } = statusFlags;

describe('bind', () => {
  const rules = {
    reserved: new Set([someUuid(90)]),
    ownerId: someUuid(91),
    reprovisioning: 'migrate',
    demanded: decided(undefined),
  } as const;
  const fresh = someDevice(1);
  const known = someDevice(1, {
    deviceId: someUuid(2),
    generation: 3,
    flags: provisionedFlags | failure,
    confirmedAt: now,
  });

  test.each([
    ['the first id', fresh, someUuid(2), 'first', 1],
    ['the id it has', known, someUuid(2), 'same', 3],
    ['the id it has, in capitals', known, someUuid(2).toUpperCase(), 'same', 3],
    ['a new id', known, someUuid(3), 'reset', 4],
  ] as const)('%s', (_, device, text, kind, generation) => {
    const binding = bind(device, text, rules, device.createdAt);
    expect(binding).toEqual({ ok: true, value: { kind, deviceId: text.toLowerCase(), generation } });
    expect(bound(device, { deviceId: text.toLowerCase(), generation }, now).generation).toBe(generation);
  });

  test.each([
    ['', 'bind.device-id-missing'],
    ['lamp', 'bind.device-id-missing'],
    ['00000000-0000-0000-0000-000000000000', 'bind.device-id-missing'],
    [`${someUuid(2)} `, 'bind.device-id-missing'],
    [someUuid(90), 'bind.device-id-reserved'],
    [someUuid(90).toUpperCase(), 'bind.device-id-reserved'],
    [someUuid(91), 'bind.device-id-reserved'],
  ])('"%s" is refused', (text, code) => {
    expect(codeOf(bind(fresh, text, rules, fresh.createdAt))).toBe(code);
  });

  test('a key that keeps taking new ids is slowed down, and goes on after a while', () => {
    const { resetBurst, resetInterval } = limits.provision;
    const restless = { ...known, generation: resetBurst };
    expect(codeOf(bind(restless, someUuid(3), rules, restless.createdAt))).toBe('bind.too-many-ids');
    expect(bind(restless, restless.deviceId ?? '', rules, restless.createdAt)).toMatchObject({ ok: true });
    expect(bind(restless, someUuid(3), rules, restless.createdAt + resetInterval)).toMatchObject({ ok: true });
  });

  test('the claim of another key is refused, and both keys are named', () => {
    expect(settleClaim(fresh, someUuid(2), fresh.keyId).ok).toBe(true);
    expect(settleClaim(fresh, someUuid(2), someUuid(5))).toMatchObject({
      refusal: { code: 'bind.device-id-taken', evidence: { holder: someUuid(5), claimant: fresh.keyId } },
    });
  });

  test('a reset forgets what the earlier generation had; binding again changes nothing', () => {
    const after = bound(known, { deviceId: someUuid(3), generation: 4 }, now);
    expect(after).toMatchObject({
      flags: initialized,
      confirmedAt: undefined,
      hubId: known.hubId,
      retry: { failures: 0 },
    });
    expect(bound(after, { deviceId: someUuid(3), generation: 4 }, now)).toBe(after);
    // Judged on what another session has overtaken.
    expect(bound(after, { deviceId: someUuid(4), generation: 4 }, now)).toBe(after);
    expect(after.lineage.at(-1)).toEqual({
      at: now,
      event: 'generation',
      facts: { deviceId: someUuid(3), generation: 4 },
    });
  });
});

describe('authorize', () => {
  const subject = { ownerId: someUuid(4), deviceId: someUuid(5), commonName: 'lamp 17' };
  const entriesOf = (group: EnrollmentGroup, of = subject): readonly AccessControlEntry[] => {
    const list = authorize(group, { ...of, ownerId: of === subject ? group.owner.id : of.ownerId });
    if (!list.ok) throw new Error(list.refusal.code);
    return list.value.entries;
  };

  test('has one entry for the owner, one for anybody, one for each distinct hub', () => {
    const group = someGroup(1, { hubs: [someUuid(7), someUuid(8), someUuid(7)] });
    const entries = entriesOf(group);
    expect(entries.map(({ subject, permission }) => [subject, permission])).toEqual([
      [{ type: 'uuid', uuid: group.owner.id }, 31],
      [{ type: 'connection', kind: 'anon-clear' }, 2],
      [{ type: 'uuid', uuid: someUuid(7) }, 31],
      [{ type: 'uuid', uuid: someUuid(8) }, 31],
    ]);
    for (const { resources } of entries) {
      const names = resources.map((resource) => ('href' in resource ? resource.href : resource.wildcard));
      expect(new Set(names).size).toBe(names.length);
    }
  });

  test('a template makes an entry per hub where it names one, and puts in what it names', () => {
    const group = someGroup(1, {
      hubs: [someUuid(7), someUuid(8), someUuid(7)],
      acl: [
        { subject: { type: 'uuid', uuid: `\${hub.id}` }, permission: 2, resources: [{ href: `/hubs/\${hub.id}` }] },
        { subject: { type: 'uuid', uuid: `\${owner.id}` }, permission: 31, resources: [{ wildcard: '*' }] },
        {
          subject: { type: 'uuid', uuid: '*' },
          permission: 2,
          resources: [{ href: `/\${cert.subject.cn}/\${device.id}` }],
        },
        { subject: { type: 'role', role: 'installer', authority: undefined }, permission: 4, resources: [] },
        { subject: { type: 'connection', kind: 'auth-crypt' }, permission: 2, resources: [{ wildcard: '-' }] },
      ],
    });
    expect(entriesOf(group, { ...subject, ownerId: someUuid(6) })).toEqual([
      { subject: { type: 'uuid', uuid: someUuid(7) }, permission: 2, resources: [{ href: `/hubs/${someUuid(7)}` }] },
      { subject: { type: 'uuid', uuid: someUuid(8) }, permission: 2, resources: [{ href: `/hubs/${someUuid(8)}` }] },
      { subject: { type: 'uuid', uuid: someUuid(6) }, permission: 31, resources: [{ wildcard: '*' }] },
      { subject: { type: 'uuid', uuid: '*' }, permission: 2, resources: [{ href: `/lamp 17/${someUuid(5)}` }] },
      { subject: { type: 'role', role: 'installer', authority: undefined }, permission: 4, resources: [] },
      { subject: { type: 'connection', kind: 'auth-crypt' }, permission: 2, resources: [{ wildcard: '-' }] },
    ]);
  });

  test.each([
    ['a subject that is no UUID then', `\${cert.subject.cn}`, subject, 'service.config'],
    ['what the device does not have', `\${cert.subject.cn}`, { ...subject, commonName: undefined }, 'service.config'],
    ['a device that has not said its id', `\${device.id}`, { ...subject, deviceId: undefined }, 'request.out-of-order'],
  ])('%s is refused, and the entry is named', (_, uuid, of, code) => {
    const anybody = { subject: { type: 'connection', kind: 'anon-clear' }, permission: 2, resources: [] } as const;
    const asked = { subject: { type: 'uuid', uuid }, permission: 2, resources: [] } as const;
    const list = authorize(someGroup(1, { acl: [anybody, asked] }), of);
    expect(codeOf(list)).toBe(code);
    expect(list).toMatchObject({ refusal: { evidence: { text: uuid } } });
  });
});

describe('configure', () => {
  const one = someHub(1, { gateways: ['coaps+tcp://a:1', 'coaps+tcp://b:1'] });
  const two = someHub(2, { gateways: ['coaps+tcp://c:1', 'coaps+tcp://a:1', 'coaps+tcp://a:1'] });
  const hubs = new Map([one, two].map((hub) => [hub.id, hub]));
  const group = someGroup(3, { hubs: [two.id, someUuid(99), one.id] });
  const device = someDevice(1, { hubId: undefined });

  test.each([
    ['none', undefined, 'coaps+tcp://c:1', two.id, 'first'],
    [
      'the default of a new device',
      { uri: 'coaps+tcp://127.0.0.1', id: '00000000-0000-0000-0000-000000000000' },
      'coaps+tcp://c:1',
      two.id,
      'first',
    ],
    ['one of ours', { uri: 'coaps+tcp://b:1', id: one.id }, 'coaps+tcp://b:1', one.id, 'selected'],
    [
      'one of ours, with the id in capitals',
      { uri: 'coaps+tcp://b:1', id: one.id.toUpperCase() },
      'coaps+tcp://b:1',
      one.id,
      'selected',
    ],
    ['the same uri at another hub', { uri: 'coaps+tcp://a:1', id: one.id }, 'coaps+tcp://a:1', one.id, 'selected'],
    [
      'one that its hub had before',
      { uri: 'coaps+tcp://old:1', id: one.id },
      'coaps+tcp://a:1',
      one.id,
      'hub of the selected',
    ],
    ['nonsense', { uri: '', id: '' }, 'coaps+tcp://c:1', two.id, 'first'],
  ])('selected gateway: %s', (_, selected, uri, hubId, chosen) => {
    expect(configure(group, hubs, device, selected)).toMatchObject({
      value: { gateway: { uri, hubId }, hub: { id: hubId }, chosen },
    });
  });

  test('all gateways are listed once, in the order of hubs and gateways, the chosen one included', () => {
    expect(configure(group, hubs, device, undefined)).toMatchObject({
      value: {
        gateways: [
          { uri: 'coaps+tcp://c:1', hubId: two.id },
          { uri: 'coaps+tcp://a:1', hubId: two.id },
          { uri: 'coaps+tcp://a:1', hubId: one.id },
          { uri: 'coaps+tcp://b:1', hubId: one.id },
        ],
      },
    });
  });

  test('without a hub, or with one that has no gateway, the device shall come again', () => {
    expect(codeOf(configure({ ...group, hubs: [someUuid(99)] }, hubs, device, undefined))).toBe('configure.no-hub');
    const empty = new Map([[one.id, { ...one, gateways: [] }]]);
    expect(codeOf(configure(group, empty, device, undefined))).toBe('configure.no-hub');
  });
});

describe('confirm', () => {
  const device = someDevice(1, { deviceId: someUuid(2), generation: 2 });

  test('the first confirmation of the present id counts', () => {
    expect(confirm(device, someUuid(2), now)).toMatchObject({ value: { confirmedAt: now } });
    const confirmed = { ...device, confirmedAt: now - 5 };
    expect(confirm(confirmed, someUuid(2), now)).toEqual({ ok: true, value: confirmed });
  });

  test('an unknown id and one of an earlier generation are refused', () => {
    expect(codeOf(confirm(undefined, someUuid(2), now))).toBe('confirm.unknown-device');
    expect(codeOf(confirm(device, someUuid(3), now))).toBe('confirm.unknown-device');
  });
});

describe('status', () => {
  test('progresses as on the device', () => {
    const order: readonly Step[] = ['time', 'ownership', 'cloud', 'credentials', 'acls'];
    let device = someDevice(1);
    const flags = order.map((step) => {
      device = stepServed(device, step);
      return device.flags;
    });
    expect(flags).toEqual([
      initialized,
      initialized,
      initialized | hasCloud,
      initialized | hasCloud | hasCredentials,
      initialized | hasCloud | hasCredentials | hasAcls,
    ]);
    expect(stepServed(device, 'credentials').flags).toBe(provisionedFlags);
    expect(stepServed(device, 'time').flags).toBe(initialized);
  });

  test('a failure sets its flag and the next retry slot: 10, 20, 40, 80, 120 s, and over again', () => {
    let device = someDevice(1, { flags: provisionedFlags });
    const slots = Array.from({ length: 7 }, () => {
      device = stepFailed(device, now);
      expect(device.retry.expectedAt).toBe(now + (device.retry.slot ?? 0));
      return device.retry.slot;
    });
    expect(slots).toEqual([10, 20, 40, 80, 120, 10, 20].map(seconds));
    expect(device.flags).toBe(provisionedFlags | failure);
    expect(retrySlot(5)).toBe(seconds(120));
  });

  test('whatever happened before, a served step leaves no failure and no retry', () => {
    const happenings = fc.array(fc.constantFrom(...steps, 'failed' as const), { maxLength: 30 });
    fc.assert(
      fc.property(happenings, fc.constantFrom(...steps), (before, last) => {
        const device = before.reduce(
          (present, what) => (what === 'failed' ? stepFailed(present, now) : stepServed(present, what)),
          someDevice(1),
        );
        const after = stepServed(device, last);
        expect(after.flags & failure).toBe(0);
        expect(after.flags & initialized).toBe(initialized);
        expect(after.retry).toEqual({ failures: 0, slot: undefined, expectedAt: undefined });
      }),
      { seed: 2, numRuns: 200 },
    );
  });
});

describe('verdict', () => {
  const served = (...list: readonly Step[]): Progress => list.reduce(afterServed, noProgress);
  const refusal = (code: ErrorCode) => ({ code, evidence: {}, fix: 'x' });

  test.each([
    ['all steps', served(...steps), provisionedFlags, 'provisioned'],
    ['cloud, credentials and acls', served('cloud', 'credentials', 'acls'), provisionedFlags, 'provisioned'],
    ['credentials of a complete device', served('credentials'), provisionedFlags, 'renewed'],
    ['credentials and acls of a complete device', served('credentials', 'acls'), provisionedFlags, 'renewed'],
    ['credentials of a device without acls', served('credentials'), initialized | hasCloud | hasCredentials, undefined],
    ['the time', served('time'), provisionedFlags, undefined],
    ['the time and credentials', served('time', 'credentials'), provisionedFlags, undefined],
    ['nothing', noProgress, provisionedFlags, undefined],
    ['a refusal', afterRefused(served('time'), 'cloud', refusal('bind.device-id-taken')), initialized, 'refused'],
    [
      'a refusal after the last step',
      afterRefused(served(...steps), 'cloud', refusal('csr.subject')),
      provisionedFlags,
      'refused',
    ],
    ['an internal error', afterRefused(served('time'), 'acls', refusal('service.internal')), initialized, 'failed'],
    ['a temporary fault', afterRefused(served('time'), 'cloud', refusal('configure.token')), initialized, undefined],
    [
      'a refusal and then success',
      afterServed(afterRefused(served('time'), 'acls', refusal('request.malformed')), 'acls'),
      initialized,
      undefined,
    ],
  ])('at the end of a session with %s', (_, progress, flags, expected) => {
    expect(verdictAtEnd(progress, flags)?.verdict).toBe(expected);
  });

  test.each([
    ['nothing wrong', served('time'), 'abandoned', 'session.abandoned'],
    ['a temporary fault', afterRefused(served('time'), 'cloud', refusal('service.store')), 'failed', 'service.store'],
    ['a broken session', { ...served('time', 'ownership'), broke: 'reset by peer' }, 'failed', 'session.broken'],
  ])('when the device does not come back after %s', (_, progress, verdict, code) => {
    expect(verdictAtExpiry(progress)).toMatchObject({ verdict, refusal: { code } });
  });

  test('what a record shows is what was', () => {
    const happenings = fc.array(fc.tuple(fc.constantFrom(...steps), fc.boolean()), { maxLength: 12 });
    fc.assert(
      fc.property(happenings, (list) => {
        const entries = list.map(
          ([step, ok]): AttemptEntry => ({
            at: now,
            type: 'stage',
            stage: 'configure',
            facts: { step },
            ...(ok ? { result: 'ok' } : { result: 'refused', refusal: refusal('csr.malformed') }),
          }),
        );
        const live = list.reduce<Progress>(
          (progress, [step, ok]) =>
            ok ? afterServed(progress, step) : afterRefused(progress, step, refusal('csr.malformed')),
          noProgress,
        );
        expect(progressOf(entries)).toEqual(live);
      }),
      { seed: 3, numRuns: 200 },
    );
  });
});
