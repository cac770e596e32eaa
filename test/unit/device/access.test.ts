import { describe, expect, it } from 'vitest';
import type { Method } from '../../../src/coap/endpoint.ts';
import { uuidBytes } from '../../../src/core/ids.ts';
import { type Caller, isAllowed, stranger, subjectOf } from '../../../src/device/access.ts';
import type { Ace } from '../../../src/device/state.ts';

const owner = '5c4b3a29-1807-4f6e-8d5c-4b3a29180700';
const hub = '6f0c5c0e-7a4b-4d0b-9a57-3f1e0b2c8d11';
const other = '11111111-2222-4333-8444-555555555555';

const by = (uuid: string): Caller => ({ subject: { kind: 'uuid', uuid }, connection: 'auth-crypt' });
const nameless: Caller = { subject: { kind: 'anonymous' }, connection: 'auth-crypt' };
const ace = (permission: number, subject: Ace['subject'], ...resources: Ace['resources']): Ace => ({
  permission,
  subject,
  resources,
  tag: 'dps',
});

/** What the service delivers (plgd-service 1.8). */
const delivered: readonly Ace[] = [
  ace(31, { uuid: owner }, { href: '/x.plgd.dev/time' }, { wc: '*' }),
  ace(31, { uuid: hub }, { href: '/x.plgd.dev/time' }, { wc: '*' }),
  ace(
    2,
    { conntype: 'anon-clear' },
    { href: '/oic/d' },
    { href: '/oic/p' },
    { href: '/oic/res' },
    { href: '/oic/sec/doxm' },
  ),
];

const publicPaths = new Set(['/oic/d', '/oic/p', '/oic/res', '/oic/sec/doxm']);

function allowed(
  acl: readonly Ace[] | undefined,
  caller: Caller,
  request: string,
  ownedBy: string | undefined = owner,
) {
  const [method = '', href = ''] = request.split(' ');
  return isAllowed(acl, caller, method as Method, { href, isPublic: publicPaths.has(href) }, ownedBy);
}

describe('the list that the service delivers', () => {
  it.each([
    [
      'owner',
      by(owner),
      ['GET /oic/d', 'GET /plgd/dps', 'POST /plgd/dps', 'POST /light/1', 'DELETE /light/1', 'GET /oic/sec/doxm'],
    ],
    ['owner, by ownership alone', by(owner), ['GET /oic/sec/cred', 'GET /oic/sec/acl2']],
    ['hub', by(hub), ['GET /oic/res', 'GET /plgd/dps', 'POST /light/1', 'GET /x.plgd.dev/time', 'GET /oic/sec/doxm']],
    ['stranger', stranger, ['GET /oic/d', 'GET /oic/p', 'GET /oic/res', 'GET /oic/sec/doxm']],
    ['another owner', by(other), ['GET /oic/d', 'GET /oic/p', 'GET /oic/res']],
    ['nameless peer of a secure session', nameless, ['GET /oic/d']],
  ])('lets the %s do its part', (_, caller, requests) => {
    for (const request of requests)
      expect({ request, is: allowed(delivered, caller, request) }).toEqual({ request, is: true });
  });

  it.each([
    ['owner', by(owner), ['GET /oic/sec/pstat', 'POST /oic/sec/sp']],
    ['hub', by(hub), ['GET /oic/sec/cred', 'POST /oic/sec/cred', 'GET /oic/sec/acl2', 'POST /oic/sec/doxm']],
    [
      'stranger',
      stranger,
      ['POST /oic/d', 'GET /plgd/dps', 'POST /plgd/dps', 'GET /light/1', 'GET /oic/sec/cred', 'GET /nothing'],
    ],
    [
      'another owner',
      by(other),
      ['GET /oic/sec/cred', 'GET /oic/sec/acl2', 'GET /oc/con', 'POST /oc/con', 'GET /plgd/dps', 'POST /plgd/dps'],
    ],
    ['nameless peer of a secure session', nameless, ['GET /plgd/dps', 'POST /light/1', 'GET /oic/sec/cred']],
  ])('keeps the %s out of the rest', (_, caller, requests) => {
    for (const request of requests)
      expect({ request, is: allowed(delivered, caller, request) }).toEqual({ request, is: false });
  });

  it('gives the hub nothing when it has no entry (plgd-device b5)', () => {
    const without = delivered.filter(({ subject }) => !('uuid' in subject && subject.uuid === hub));
    expect(allowed(without, by(hub), 'GET /plgd/dps')).toBe(false);
    expect(allowed(without, by(hub), 'POST /light/1')).toBe(false);
  });
});

describe('an entry', () => {
  const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE'];
  it.each([
    [0, []],
    [1, ['POST', 'PUT']],
    [2, ['GET']],
    [4, ['POST', 'PUT']],
    [8, ['DELETE']],
    [16, ['GET']],
    [6, ['GET', 'POST', 'PUT']],
    [32, []],
    [31, methods],
  ])('with permission %d allows %j', (permission, expected) => {
    const acl = [ace(permission, { uuid: hub }, { href: '/light/1' })];
    expect(methods.filter((method) => allowed(acl, by(hub), `${method} /light/1`))).toEqual(expected);
  });

  it('adds to what other entries for the same caller give', () => {
    const acl = [ace(2, { uuid: hub }, { href: '/light/1' }), ace(4, { conntype: 'auth-crypt' }, { wc: '*' })];
    expect(allowed(acl, by(hub), 'GET /light/1')).toBe(true);
    expect(allowed(acl, by(hub), 'POST /light/1')).toBe(true);
    expect(allowed(acl, by(other), 'GET /light/1')).toBe(false);
  });

  it.each([
    ['{"uuid":"*"}', [by(other), by(hub)]],
    [`{"uuid":"${hub}"}`, [by(hub)]],
    ['{"conntype":"auth-crypt"}', [by(other), by(hub), nameless]],
    ['{"conntype":"anon-clear"}', [by(other), by(hub), nameless, stranger]],
    ['{"role":"oic.role.owner"}', []],
    ['{"role":"admin","authority":"CN=x"}', []],
  ])('for %s holds for those callers alone', (subject, holders) => {
    const acl = [ace(2, JSON.parse(subject) as Ace['subject'], { href: '/light/1' })];
    const everybody = [by(other), by(hub), nameless, stranger];
    expect(everybody.filter((caller) => allowed(acl, caller, 'GET /light/1'))).toEqual(
      everybody.filter((caller) => holders.some((holder) => JSON.stringify(holder) === JSON.stringify(caller))),
    );
  });

  it.each([
    [{ wc: '*' }, ['/light/1', '/oic/d', '/plgd/dps']],
    [{ wc: '+' }, ['/light/1', '/oic/d', '/plgd/dps']],
    [{ wc: '-' }, ['/oic/d']],
    [{ href: '/light/1' }, ['/light/1']],
    [{ href: '/oic/sec/cred' }, ['/oic/sec/cred']],
    // The path that is named counts, not the wildcard beside it.
    [{ href: '/light/1', wc: '*' }, ['/light/1']],
    [{ href: '/light' }, []],
    [{}, []],
  ] as const)('for the resource %j covers %j', (resource, expected) => {
    const acl = [ace(2, { uuid: other }, resource)];
    const paths = ['/light/1', '/oic/d', '/plgd/dps', '/oic/sec/cred', '/oic/sec/doxm'];
    expect(paths.filter((href) => allowed(acl, by(other), `GET ${href}`))).toEqual(expected);
  });

  it('without resources covers nothing', () => {
    expect(allowed([ace(31, { uuid: hub })], by(hub), 'GET /light/1')).toBe(false);
  });
});

describe('without a list', () => {
  it('everybody may read what tells a factory-new device from others, and nobody may write', () => {
    const readable = ['/oic/res', '/oic/d', '/oic/p', '/oic/sec/doxm', '/plgd/dps'];
    for (const href of readable) {
      expect(allowed(undefined, stranger, `GET ${href}`, undefined)).toBe(true);
      expect(allowed(undefined, stranger, `POST ${href}`, undefined)).toBe(false);
    }
    for (const href of ['/oic/sec/cred', '/oic/sec/acl2', '/light/1', '/x.plgd.dev/time']) {
      expect(allowed(undefined, stranger, `GET ${href}`, undefined)).toBe(false);
    }
  });

  it('an empty one that was delivered gives nothing to anybody', () => {
    expect(allowed([], stranger, 'GET /oic/res')).toBe(false);
    expect(allowed([], by(owner), 'GET /light/1')).toBe(false);
    expect(allowed([], by(owner), 'GET /oic/sec/cred')).toBe(true);
  });
});

describe('the subject of a session', () => {
  const session = { version: 'DTLSv1.2', cipherSuite: 'x', peer: undefined, pskIdentity: undefined } as const;
  it('is the uuid in the identity of its pre-shared key', () => {
    expect(subjectOf({ ...session, pskIdentity: uuidBytes(owner) })).toEqual({ kind: 'uuid', uuid: owner });
  });

  it('is nobody without key and certificate, or with a certificate that cannot be read', () => {
    const peer = { presented: [Uint8Array.of(1, 2, 3)], path: [], errors: [] };
    expect(subjectOf(session)).toEqual({ kind: 'anonymous' });
    expect(subjectOf({ ...session, peer })).toEqual({ kind: 'anonymous' });
  });
});
