import { type CborMap, type CborValue, isCborMap } from '../codec/cbor.ts';
import { type Decision, decided } from '../core/errors.ts';
import { parseUuid } from '../core/ids.ts';
import { protocolRefused, wrong } from './answers.ts';
import type { Ace, AceResource, AceSubject } from './state.ts';

/**
 * b5: the access control list. Any array of maps counts, whatever its key; an empty answer is an empty list (and a restart
 * asks again). A key or value that does not belong refuses the whole answer.
 */
export function readAcls(map: CborMap): Decision<readonly Ace[]> {
  const acl: Ace[] = [];
  for (const [key, value] of Object.entries(map)) {
    if (key === 'redirecturi' && typeof value === 'string') continue;
    if (!Array.isArray(value)) return wrong(key, value, 'send nothing but the access control list');
    for (const [at, item] of (value as readonly CborValue[]).entries()) {
      const ace = readAce(item, `${key}[${at}]`);
      if (!ace.ok) return ace;
      acl.push(ace.value);
    }
  }
  return decided(acl);
}

const aceKeys: readonly string[] = ['permission', 'aceid', 'tag', 'href', 'subject', 'resources'];

function readAce(item: CborValue, place: string): Decision<Ace> {
  if (!isCborMap(item)) return wrong(place, item, 'send each entry as a map');
  const stranger = unexpected(item, aceKeys, place);
  if (stranger) return stranger;
  const { permission, aceid, tag } = item;
  if (typeof permission !== 'number' || !Number.isInteger(permission) || permission < 0 || permission > 0xffff) {
    return wrong(`${place}.permission`, permission, 'send the permission bits as an integer up to 65535');
  }
  if (aceid !== undefined && !Number.isInteger(aceid)) return wrong(`${place}.aceid`, aceid, 'send an integer');
  if (tag !== undefined && typeof tag !== 'string') return wrong(`${place}.tag`, tag, 'send the tag as text');
  const subject = readSubject(item.subject, `${place}.subject`);
  if (!subject.ok) return subject;
  const resources = readResources(item.resources, `${place}.resources`);
  if (!resources.ok) return resources;
  return decided({
    permission,
    subject: subject.value,
    resources: resources.value,
    ...(tag === undefined ? {} : { tag }),
    ...(typeof aceid === 'number' ? { aceid } : {}),
  });
}

function readSubject(subject: CborValue | undefined, place: string): Decision<AceSubject> {
  if (!isCborMap(subject)) return wrong(place, subject, 'send the subject as a map');
  const kinds = ['uuid', 'role', 'conntype'].filter((kind) => subject[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    return protocolRefused({ key: place, found: kinds.join(', ') || 'nothing' }, 'send one of uuid, role and conntype');
  }
  const stranger = unexpected(subject, kind === 'role' ? ['role', 'authority'] : [kind], place);
  if (stranger) return stranger;
  const { uuid, role, authority, conntype } = subject;
  switch (kind) {
    case 'uuid': {
      const id = typeof uuid === 'string' ? (uuid === '*' ? uuid : parseUuid(uuid)) : undefined;
      return id === undefined ? wrong(`${place}.uuid`, uuid, 'send UUID text') : decided({ uuid: id });
    }
    case 'role':
      if (typeof role !== 'string') return wrong(`${place}.role`, role, 'send the role as text');
      if (authority === undefined) return decided({ role });
      if (typeof authority !== 'string') return wrong(`${place}.authority`, authority, 'send the authority as text');
      return decided({ role, authority });
    default:
      return conntype === 'auth-crypt' || conntype === 'anon-clear'
        ? decided({ conntype })
        : wrong(`${place}.conntype`, conntype, 'send auth-crypt or anon-clear');
  }
}

const resourceKeys: readonly string[] = ['href', 'wc', 'if'];

function readResources(value: CborValue | undefined, place: string): Decision<readonly AceResource[]> {
  if (value === undefined || value === null) return decided([]);
  if (!Array.isArray(value)) return wrong(place, value, 'send the resources as an array');
  const resources: AceResource[] = [];
  for (const [at, item] of (value as readonly CborValue[]).entries()) {
    const here = `${place}[${at}]`;
    if (!isCborMap(item)) return wrong(here, item, 'send each resource as a map');
    const stranger = unexpected(item, resourceKeys, here);
    if (stranger) return stranger;
    const { href, wc } = item;
    if (href !== undefined && typeof href !== 'string') return wrong(`${here}.href`, href, 'send the path as text');
    if (wc !== undefined && wc !== '*' && wc !== '+' && wc !== '-') return wrong(`${here}.wc`, wc, 'send *, + or -');
    if (!isTextArray(item.if)) return wrong(`${here}.if`, item.if, 'send the interfaces as an array of text');
    resources.push({ ...(href === undefined ? {} : { href }), ...(wc === undefined ? {} : { wc }) });
  }
  return decided(resources);
}

const isTextArray = (value: CborValue | undefined): boolean =>
  value === undefined || (Array.isArray(value) && value.every((entry) => typeof entry === 'string'));

function unexpected(
  map: CborMap,
  allowed: readonly string[],
  place: string,
): ReturnType<typeof protocolRefused> | undefined {
  const key = Object.keys(map).find((name) => !allowed.includes(name));
  return key === undefined ? undefined : protocolRefused({ unexpected: `${place}.${key}` }, 'leave this key out');
}
