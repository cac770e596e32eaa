import { describe, expect, it } from 'vitest';
import type { CoapOption } from '../../src/coap/message.ts';
import { optionNumber, uintOption } from '../../src/coap/options.ts';
import { type CborMap, type CborValue, encodeCbor } from '../../src/codec/cbor.ts';
import { fromHex, utf8 } from '../../src/core/bytes.ts';
import { hours, seconds } from '../../src/core/clock.ts';
import { limits } from '../../src/core/limits.ts';
import { lastErrors } from '../../src/device/status.ts';
import {
  type Asked,
  type Behaviour,
  createKey,
  credentialsOf,
  DeviceBench,
  freshState,
  hubId,
  issue,
  ownerId,
  publicKeyOf,
  serviceTime,
} from '../support/device-bench.ts';

/** Boots a device whose service answers one step badly, once. */
function boot(step: Asked, behaviour: Behaviour, options: { readonly lifetime?: number } = {}): DeviceBench {
  const bench = new DeviceBench({
    ...options,
    behave: (asked, earlier) => (asked === step && earlier === 0 ? behaviour : 'answer'),
  });
  return bench.boot();
}

/** The device took the answer. */
function accepts(step: Asked, behaviour: Behaviour): DeviceBench {
  const bench = boot(step, behaviour);
  expect(bench.run(() => bench.machine.status.progress === 10645)).toBe(true);
  expect(bench.count(step)).toBe(1);
  return bench;
}

/** The device refused the answer with this error, kept nothing of it, and provisioned itself in a second run. */
function refuses(step: Asked, behaviour: Behaviour, error: number): void {
  const bench = boot(step, behaviour);
  bench.run(() => bench.outcomes.some(({ result }) => result === 'failure'));
  const before = bench.saved.length;
  expect(bench.machine.status).toMatchObject({ text: 'failure', lastError: error });
  expect(bench.outcomes.at(-1)?.refusal).toMatchObject({ code: 'device.protocol' });
  expect(before).toBe(['time', 'ownership', 'cloud', 'credentials', 'acls'].indexOf(step));
  expect(bench.run(() => bench.machine.status.progress === 10645)).toBe(true);
  expect(bench.count(step)).toBe(2);
}

const good = new DeviceBench();
const withKey = (step: Asked, key: string, value: CborValue | undefined): Behaviour => {
  const { [key]: _, ...rest } = good.answerTo(step, { method: 'GET', path: [] });
  return { map: value === undefined ? rest : { ...rest, [key]: value } };
};

describe('every step', () => {
  const steps: readonly (readonly [Asked, number])[] = [
    ['time', lastErrors.getTime],
    ['ownership', lastErrors.getOwner],
    ['cloud', lastErrors.setCloud],
    ['credentials', lastErrors.getCredentials],
    ['acls', lastErrors.getAcls],
  ];

  it.each(steps)('%s: malformed CBOR is a failure, not an endless wait', (step, error) => {
    refuses(step, { payload: fromHex('bf6161') }, error);
    refuses(step, { payload: fromHex('ff') }, error);
    refuses(step, { payload: fromHex('80') }, error);
  });

  it.each(steps)('%s: another content format is a failure', (step, error) => {
    for (const contentFormat of [0, 50, 60]) refuses(step, { payload: utf8('x'), contentFormat }, error);
  });

  it.each(steps)('%s: an answer of more than 8192 bytes is a failure', (step, error) => {
    refuses(step, { payload: encodeCbor({ padding: 'x'.repeat(8190) }) }, error);
  });
});

describe('any step', () => {
  const payload = encodeCbor(good.answerTo('ownership', { method: 'GET', path: [] }));

  it('takes every code from 2.01 to 2.05, and no other of the class', () => {
    for (const code of [201, 202, 203, 204, 205]) accepts('ownership', { payload, code });
    refuses('ownership', { payload, code: 231 }, lastErrors.getOwner);
  });

  it('takes no notice of a payload without a content format', () => {
    refuses('ownership', { payload, contentFormat: 'none' }, lastErrors.getOwner);
  });

  it('passes on what the service says of an error, in one harmless line', () => {
    const told = (code: number, text: string, contentFormat?: 'none'): unknown => {
      const payload = utf8(text);
      const bench = boot('time', { code, payload, ...(contentFormat && { contentFormat }) });
      bench.run(() => bench.outcomes.some(({ refusal }) => refusal !== undefined));
      return bench.outcomes.find(({ refusal }) => refusal !== undefined)?.refusal?.evidence.says;
    };
    const waits = 'admit.pending: the device waits for approval';
    expect(told(503, waits, 'none')).toBe(waits);
    expect(told(403, 'admit.denied: no', 'none')).toBe('admit.denied: no');
    expect(told(403, 'a\u001b[2J\nb\u202e\u2028c', 'none')).toBe('a?[2J?b??c');
    expect(told(403, 'x'.repeat(1000), 'none')).toBe('x'.repeat(limits.coap.diagnosticBytes));
    expect(told(403, waits)).toBeUndefined();
    expect(told(231, waits, 'none')).toBeUndefined();
  });

  it('takes answers of OCF version 1.0.0 and later, and those that name none', () => {
    const version = (number: number): CoapOption => uintOption(optionNumber.ocfContentFormatVersion, number);
    accepts('ownership', { payload, options: [version(2048)] });
    accepts('ownership', { payload, options: [version(2112)] });
    refuses('ownership', { payload, options: [version(2047)] }, lastErrors.getOwner);
  });
});

describe('time', () => {
  it.each([
    ['2026-11-21T10:40:54.123Z', Date.UTC(2026, 10, 21, 10, 40, 54, 123)],
    ['2026-11-21T10:40:54Z', Date.UTC(2026, 10, 21, 10, 40, 54)],
    ['2026-11-21t10:40:54.123456789z', Date.UTC(2026, 10, 21, 10, 40, 54, 123)],
    ['2026-11-21 12:40:54+02:00', Date.UTC(2026, 10, 21, 10, 40, 54)],
  ])('%s is read', (time, expected) => {
    const bench = boot('time', { map: { time, more: 1 } });
    bench.run(() => bench.saved.length > 0);
    expect(bench.machine.state.clockOffset).toBe(expected - bench.now);
  });

  it('is read behind CBOR tag 0, too', () => {
    const text = '2026-11-21T10:40:54Z';
    const tagged = new Uint8Array([0xa1, 0x64, ...utf8('time'), 0xc0, 0x60 | text.length, ...utf8(text)]);
    const bench = boot('time', { payload: tagged });
    bench.run(() => bench.saved.length > 0);
    expect(bench.machine.state.clockOffset).toBeDefined();
  });

  it.each([1_795_257_654, '2026-11-21', '2026-13-21T10:40:54Z', '2026-11-21T10:40:54', 'now', null])(
    '%j is refused',
    (time) => refuses('time', { map: { time } }, lastErrors.getTime),
  );

  it('must come with 2.05', () => {
    const bench = boot('time', { code: 204 });
    bench.run(() => bench.outcomes.length > 0);
    expect(bench.outcomes[0]?.result).toBe('failure');
  });
});

describe('ownership', () => {
  it('takes upper case', () => {
    expect(accepts('ownership', { map: { devowneruuid: ownerId.toUpperCase() } }).machine.state.owner).toBe(ownerId);
  });

  it.each<[string, CborMap]>([
    ['a second key', { devowneruuid: ownerId, di: ownerId }],
    ['a byte string', { devowneruuid: new Uint8Array(16) }],
    ['text that is no UUID', { devowneruuid: 'somebody' }],
    ['nothing', {}],
  ])('refuses %s', (_what, map) => refuses('ownership', { map }, lastErrors.getOwner));

  it('refuses the device itself as its owner', () => {
    const state = freshState();
    const bench = new DeviceBench({
      state,
      behave: (asked, earlier) =>
        asked === 'ownership' && earlier === 0 ? { map: { devowneruuid: state.deviceId } } : 'answer',
    }).boot();
    bench.run(() => bench.machine.status.progress === 10645);
    expect(bench.count('ownership')).toBe(2);
  });
});

describe('cloud configuration', () => {
  it.each(['at', 'apn', 'cis', 'sid'])('refuses an answer without %s, and tries again', (key) => {
    refuses('cloud', withKey('cloud', key, undefined), lastErrors.setCloud);
    refuses('cloud', withKey('cloud', key, 7), lastErrors.setCloud);
    refuses('cloud', withKey('cloud', key, 'x'.repeat(4096)), lastErrors.setCloud);
  });

  it('refuses a hub id that is no UUID, and takes an empty one', () => {
    refuses('cloud', withKey('cloud', 'sid', 'hub'), lastErrors.setCloud);
    expect(accepts('cloud', withKey('cloud', 'sid', '')).machine.state.cloud?.gateways[0]?.id).toBe('');
  });

  it('takes an empty provider name and unknown keys', () => {
    accepts('cloud', withKey('cloud', 'apn', ''));
    accepts('cloud', withKey('cloud', 'other', [1, 2]));
  });

  it('keeps the payload of its group, as it came, and refuses one that JSON could not hold', () => {
    const payload = { site: 'north', on: true, lamps: [1, 2.5, null, { id: 'a' }] };
    const bench = accepts('cloud', withKey('cloud', 'x.firstboot.payload', payload));
    expect(bench.machine.state.cloud?.payload).toEqual(payload);
    expect(accepts('cloud', withKey('cloud', 'other', 1)).machine.state.cloud).not.toHaveProperty('payload');
    for (const bad of [
      'text',
      [1],
      { key: new Uint8Array(2) },
      { deep: [{ big: 2n ** 63n }] },
      { long: 'x'.repeat(limits.policy.payloadBytes) },
    ]) {
      refuses('cloud', withKey('cloud', 'x.firstboot.payload', bad), lastErrors.setCloud);
    }
  });

  it('skips bad and repeated gateways', () => {
    const servers = [
      { uri: 'coaps+tcp://second.example:5684', id: hubId },
      { uri: 'coaps+tcp://second.example:5684', id: hubId },
      { id: hubId },
      { uri: 'coaps+tcp://third.example:5684', id: 'bad' },
      'text',
      { uri: 'coaps+tcp://fourth.example:5684' },
    ];
    const bench = accepts('cloud', withKey('cloud', 'x.org.iotivity.servers', servers));
    expect(bench.machine.state.cloud?.gateways.map(({ uri, id }) => `${uri} ${id}`)).toEqual([
      `coaps+tcp://gateway.example:5684 ${hubId}`,
      `coaps+tcp://second.example:5684 ${hubId}`,
      'coaps+tcp://fourth.example:5684 ',
    ]);
  });
});

describe('credentials', () => {
  const state = freshState();
  const pem = (deviceId: string, key = state.key, lifetime?: number): string =>
    issue(deviceId, publicKeyOf(key), serviceTime, lifetime).certificate;
  const creds = (change: (cred: Record<string, CborValue>) => CborValue | undefined): Behaviour => {
    const { creds: list } = credentialsOf(state.deviceId, pem(state.deviceId));
    const changed = (list as readonly Record<string, CborValue>[]).map(change);
    return { map: { creds: changed.filter((cred) => cred !== undefined) } };
  };
  const answered = (behaviour: Behaviour): DeviceBench =>
    new DeviceBench({
      state,
      behave: (asked, earlier) => (asked === 'credentials' && earlier === 0 ? behaviour : 'answer'),
    }).boot();
  const refused = (behaviour: Behaviour): void => {
    const bench = answered(behaviour);
    bench.run(() => bench.outcomes.some(({ result }) => result === 'failure'));
    expect(bench.machine.status.lastError).toBe(lastErrors.getCredentials);
    expect(bench.machine.state.credentials).toBeUndefined();
  };
  const accepted = (behaviour: Behaviour): DeviceBench => {
    const bench = answered(behaviour);
    bench.run(() => bench.machine.status.progress === 10645);
    expect(bench.count('credentials')).toBe(1);
    return bench;
  };
  const isAnchor = (cred: Record<string, CborValue>): boolean => cred.credusage === 'oic.sec.cred.trustca';
  const publicdata = (data: CborValue, encoding = 'oic.sec.encoding.pem'): CborMap => ({ data, encoding });

  it('are taken as text and as bytes', () => {
    accepted(creds((cred) => cred));
    accepted(creds((cred) => ({ ...cred, publicdata: publicdata(utf8(String((cred.publicdata as CborMap).data))) })));
  });

  it('are refused without the tag dps, spelled so', () => {
    refused(creds(({ tag: _tag, ...cred }) => cred));
    refused(creds((cred) => ({ ...cred, tag: 'DPS' })));
    refused(creds((cred) => (isAnchor(cred) ? { ...cred, tag: 'other' } : cred)));
  });

  it('are refused without a trust anchor or without an identity', () => {
    refused(creds((cred) => (isAnchor(cred) ? undefined : cred)));
    refused(creds((cred) => (isAnchor(cred) ? cred : undefined)));
    refused({ map: { creds: [] } });
    refused({ map: {} });
  });

  it('are refused in an encoding that is not known, in no PEM, and with a resource owner', () => {
    refused(
      creds((cred) => ({ ...cred, publicdata: { ...(cred.publicdata as CborMap), encoding: 'oic.sec.encoding.der' } })),
    );
    refused(creds((cred) => ({ ...cred, publicdata: publicdata('not a certificate') })));
    refused({ map: { ...credentialsOf(state.deviceId, pem(state.deviceId)), rowneruuid: ownerId } });
  });

  it('are refused without a subject', () => {
    refused(creds(({ subjectuuid: _subject, ...cred }) => cred));
    refused(creds((cred) => ({ ...cred, subjectuuid: 'somebody' })));
  });

  it('are refused for another key', () => {
    refused({ map: credentialsOf(state.deviceId, pem(state.deviceId, createKey())) });
  });

  it('are refused for another device', () => {
    refused({ map: credentialsOf(state.deviceId, pem(hubId)) });
  });

  it('are refused when they expire within the limit, and taken when they live longer', () => {
    refused({ map: credentialsOf(state.deviceId, pem(state.deviceId, state.key, hours(1))) });
    accepted({ map: credentialsOf(state.deviceId, pem(state.deviceId, state.key, hours(1) + seconds(60))) });
  });

  it('may hold a pre-shared key of 16 or 32 bytes for the owner', () => {
    const psk = (bytes: number): CborValue => ({
      subjectuuid: ownerId,
      credtype: 1,
      privatedata: { data: new Uint8Array(bytes).fill(1), encoding: 'oic.sec.encoding.raw' },
      tag: 'dps',
    });
    const { creds: list } = credentialsOf(state.deviceId, pem(state.deviceId));
    const withPsk = (bytes: number): Behaviour => ({ map: { creds: [...(list as readonly CborValue[]), psk(bytes)] } });
    const bench = accepted(withPsk(16));
    expect(bench.machine.state.credentials?.psks).toEqual([
      { subject: ownerId, key: Buffer.alloc(16, 1).toString('base64') },
    ]);
    accepted(withPsk(32));
    refused(withPsk(15));
  });
});

describe('access control list', () => {
  const ace = { permission: 31, subject: { uuid: ownerId }, resources: [{ wc: '*' }], tag: 'dps' };
  const list = (change: Readonly<Record<string, CborValue>>): Behaviour => ({
    map: { aclist2: [{ ...ace, ...change }] },
  });

  it.each<[string, Behaviour]>([
    [
      'every kind of subject',
      {
        map: {
          aclist2: [
            ace,
            { ...ace, subject: { role: 'admin', authority: 'acme' } },
            { ...ace, subject: { conntype: 'auth-crypt' } },
            { ...ace, subject: { conntype: 'anon-clear' } },
          ],
        },
      },
    ],
    [
      'hrefs, wildcards and interfaces',
      list({ resources: [{ href: '/oic/d', if: ['oic.if.r'] }, { wc: '+' }, { wc: '-' }] }),
    ],
    ['an id and an ignored href', list({ aceid: 7, href: '/x' })],
    ['no resources', list({ resources: [] })],
    ['null for resources', list({ resources: null })],
    ['another name of the list', { map: { anything: [ace] } }],
    ['an empty map', { map: {} }],
    ['no tag', { map: { aclist2: [{ permission: 2, subject: { uuid: ownerId }, resources: [] }] } }],
  ])('takes %s', (_what, behaviour) => {
    accepts('acls', behaviour);
  });

  it.each<[string, Behaviour]>([
    ['an unknown key in an entry', list({ rt: 'x' })],
    ['an unknown key in a resource', list({ resources: [{ href: '/a', rt: ['x'] }] })],
    ['two subjects at once', list({ subject: { uuid: ownerId, conntype: 'auth-crypt' } })],
    ['no subject', list({ subject: {} })],
    ['a bogus connection type', list({ subject: { conntype: 'secret' } })],
    ['a bad wildcard', list({ resources: [{ wc: '?' }] })],
    ['permissions over 65535', list({ permission: 65_536 })],
    ['permissions as text', list({ permission: '31' })],
    ['a tag that is no text', list({ tag: 1 })],
    ['a resource owner', { map: { aclist2: [ace], rowneruuid: ownerId } }],
  ])('refuses %s', (_what, behaviour) => {
    refuses('acls', behaviour, lastErrors.getAcls);
  });

  it('is asked for again after a restart when no entry has the tag', () => {
    const bench = accepts('acls', { map: {} });
    const again = new DeviceBench({ state: bench.machine.state, clock: bench.now }).boot();
    expect(again.run(() => again.machine.status.progress === 10645)).toBe(true);
    expect(again.totals).toEqual([0, 0, 0, 0, 1]);
  });
});
