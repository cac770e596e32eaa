import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seconds } from '../../../src/core/clock.ts';
import type { ErrorCode } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { statusFlags } from '../../../src/core/status.ts';
import { admit } from '../../../src/provision/admit.ts';
import { authorize } from '../../../src/provision/authorize.ts';
import { bind, bound, settleClaim } from '../../../src/provision/bind.ts';
import { configure } from '../../../src/provision/configure.ts';
import { confirm } from '../../../src/provision/confirm.ts';
import type { Step } from '../../../src/provision/contract.ts';
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
import type { AttemptEntry } from '../../../src/store/model.ts';
import { codeOf } from '../../support/provisioning.ts';
import { someDevice, someGroup, someHub, someUuid } from '../../support/store-records.ts';

const now = Date.UTC(2026, 5, 1);
const { initialized, hasCredentials, hasAcls, hasCloud, failure } = statusFlags;

describe('admit', () => {
  const group = someGroup(1);
  const here = { groupId: group.id, ownerId: group.owner.id };

  test.each([
    ['a new device', undefined, { known: false, moved: undefined }],
    ['a known device', someDevice(1, here), { known: true, moved: undefined }],
    ['one that comes from another group', someDevice(1, { ownerId: group.owner.id }), { known: true, moved: 'group' }],
    ['one that comes from another owner', someDevice(1), { known: true, moved: 'owner' }],
  ])('lets %s in', (_, device, value) => {
    expect(admit(group, device)).toEqual({ ok: true, value });
  });

  test('keeps everybody out of a disabled group', () => {
    expect(codeOf(admit({ ...group, enabled: false }, someDevice(1, here)))).toBe('admit.group-disabled');
  });
});

describe('bind', () => {
  const reserved = new Set([someUuid(90)]);
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
    const binding = bind(device, text, reserved, device.createdAt);
    expect(binding).toEqual({ ok: true, value: { kind, deviceId: text.toLowerCase(), generation } });
    expect(bound(device, text.toLowerCase()).generation).toBe(generation);
  });

  test.each([
    ['', 'bind.device-id-missing'],
    ['lamp', 'bind.device-id-missing'],
    ['00000000-0000-0000-0000-000000000000', 'bind.device-id-missing'],
    [`${someUuid(2)} `, 'bind.device-id-missing'],
    [someUuid(90), 'bind.device-id-reserved'],
    [someUuid(90).toUpperCase(), 'bind.device-id-reserved'],
  ])('"%s" is refused', (text, code) => {
    expect(codeOf(bind(fresh, text, reserved, fresh.createdAt))).toBe(code);
  });

  test('a key that keeps taking new ids is slowed down, and goes on after a while', () => {
    const { resetBurst, resetInterval } = limits.provision;
    const restless = { ...known, generation: resetBurst };
    expect(codeOf(bind(restless, someUuid(3), reserved, restless.createdAt))).toBe('bind.too-many-ids');
    expect(bind(restless, restless.deviceId ?? '', reserved, restless.createdAt)).toMatchObject({ ok: true });
    expect(bind(restless, someUuid(3), reserved, restless.createdAt + resetInterval)).toMatchObject({ ok: true });
  });

  test('the claim of another key is refused, and both keys are named', () => {
    expect(settleClaim(fresh, someUuid(2), fresh.keyId).ok).toBe(true);
    expect(settleClaim(fresh, someUuid(2), someUuid(5))).toMatchObject({
      refusal: { code: 'bind.device-id-taken', evidence: { holder: someUuid(5), claimant: fresh.keyId } },
    });
  });

  test('a reset forgets what the earlier generation had; binding again changes nothing', () => {
    const after = bound(known, someUuid(3));
    expect(after).toMatchObject({
      flags: initialized,
      confirmedAt: undefined,
      hubId: undefined,
      retry: { failures: 0 },
    });
    expect(bound(after, someUuid(3))).toBe(after);
  });
});

describe('authorize', () => {
  test('has one entry for the owner, one for anybody, one for each distinct hub', () => {
    const group = someGroup(1, { hubs: [someUuid(7), someUuid(8), someUuid(7)] });
    const { entries } = authorize(group);
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
});

describe('configure', () => {
  const one = someHub(1, { gateways: ['coaps+tcp://a:1', 'coaps+tcp://b:1'] });
  const two = someHub(2, { gateways: ['coaps+tcp://c:1', 'coaps+tcp://a:1', 'coaps+tcp://a:1'] });
  const hubs = new Map([one, two].map((hub) => [hub.id, hub]));
  const group = someGroup(3, { hubs: [two.id, someUuid(99), one.id] });

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
    expect(configure(group, hubs, selected)).toMatchObject({
      value: { gateway: { uri, hubId }, hub: { id: hubId }, chosen },
    });
  });

  test('all gateways are listed once, in the order of hubs and gateways, the chosen one included', () => {
    expect(configure(group, hubs, undefined)).toMatchObject({
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
    expect(codeOf(configure({ ...group, hubs: [someUuid(99)] }, hubs, undefined))).toBe('configure.no-hub');
    const empty = new Map([[one.id, { ...one, gateways: [] }]]);
    expect(codeOf(configure(group, empty, undefined))).toBe('configure.no-hub');
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
