import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { revokedFrom } from '../provision/lifecycle.ts';
import type { Credential, Device, RevocationReason } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { carryOutInPieces, type GuardedStore, type OperatorDeps, type Outcome } from './change.ts';
import { credentialEffect, firstEffects } from './device-effects.ts';
import { findDevice, findGroup } from './find.ts';
import { everyCredential, everyCredentialByEnd, firstOf, listOf, type Page } from './scan.ts';
import { normalSerial } from './selectors.ts';

/** Which credentials: one, those of a device (or of one generation of it), those of a group. */
export type CredentialSelection =
  | { readonly serial: string }
  | { readonly device: string; readonly generation?: number | undefined }
  | { readonly group: string };

export interface CredentialChange {
  /** How many change. */
  readonly changed: number;
  /** Serials of the first limits.operator.listed of them. */
  readonly serials: readonly string[];
}

/**
 * Puts credentials on the revocation list of their issuer, with a reason of RFC 5280 §5.3.1. Those that have expired or are
 * revoked for good stay as they are; one on hold is revoked for good by any other reason. All or nothing up to
 * limits.operator.commitRows of them; more go in pieces, each with its line of the audit log: after a crash in between, the
 * same call does the rest. A device that is not held gets new credentials when it asks for them.
 * @throws FirstbootError operator.not-found, operator.ambiguous, operator.input, service.busy
 */
export function revokeCredentials(
  deps: OperatorDeps,
  selection: CredentialSelection,
  { reason, dryRun = false }: { readonly reason: RevocationReason; readonly dryRun?: boolean | undefined },
): Promise<Outcome<CredentialChange>> {
  const turn: Turn = (credential, now) => {
    const [revoked] = revokedFrom([credential], reason, now);
    return revoked && { credential: revoked };
  };
  return changeCredentials(deps, selection, turn, { action: 'credential.revoke', facts: { reason }, dryRun });
}

/**
 * Takes credentials off hold; no other revocation can be taken back. Those of a device that is held itself stay on hold.
 * @throws FirstbootError as revokeCredentials; operator.conflict for a credential that is revoked for good
 */
export async function releaseCredentials(
  deps: OperatorDeps,
  selection: CredentialSelection,
  { dryRun = false }: { readonly dryRun?: boolean | undefined } = {},
): Promise<Outcome<CredentialChange>> {
  if ('serial' in selection) await requireHold(deps.store, selection.serial);
  const turn: Turn = async (credential) => {
    if (credential.revoked?.reason !== 'certificateHold') return undefined;
    const device = await deps.store.device(credential.keyId);
    if (device?.state !== 'active') return undefined;
    return { credential: { ...credential, revoked: undefined }, device };
  };
  return changeCredentials(deps, selection, turn, { action: 'credential.release', facts: {}, dryRun });
}

export interface CredentialFilter {
  /** As findDevice and findGroup take them. */
  readonly device?: string | undefined;
  readonly group?: string | undefined;
  /** Only those that are valid now and end within this, ms; not revoked unless `revoked` says so. */
  readonly expiringWithin?: Millis | undefined;
  readonly revoked?: boolean | undefined;
}

/**
 * Credentials in order of serial, or with `expiringWithin` in order of their end; `next` is where the next page begins
 * (`after`).
 */
export async function listCredentials(
  store: GuardedStore,
  { device, group, expiringWithin, revoked }: CredentialFilter,
  { now, after, limit }: { readonly now: Millis; readonly after?: string | undefined; readonly limit: number },
): Promise<Page<Credential, string>> {
  const keyId = device === undefined ? undefined : (await findDevice(store, device)).keyId;
  const groupId = group === undefined ? undefined : (await findGroup(store, group)).id;
  const fits = (credential: Credential): boolean =>
    (groupId === undefined || credential.groupId === groupId) &&
    (revoked === undefined || (credential.revoked !== undefined) === revoked) &&
    (expiringWithin === undefined || (credential.notAfter > now && credential.notAfter <= now + expiringWithin));
  // The index by their end has those that are not revoked.
  const byEnd = expiringWithin !== undefined && keyId === undefined && revoked !== true;
  const ends = byEnd ? { since: now + 1, until: now + expiringWithin + 1 } : undefined;
  if (store.listCredentials && keyId === undefined) return store.listCredentials({ ends, fits, after, limit });
  if (ends) {
    const page = await listOf(everyCredentialByEnd(store, ends, after), {
      fits: ({ credential }) => fits(credential),
      most: limit,
      position: ({ cursor }) => cursor,
    });
    return { ...page, rows: page.rows.map(({ credential }) => credential) };
  }
  return listOf(keyId === undefined ? everyCredential(store, after) : inOrder(await store.credentials(keyId), after), {
    fits,
    most: limit,
    position: ({ serial }) => serial,
  });
}

/** A credential after the change, and the device that has to be as it was seen for that to be right. */
interface Turned {
  readonly credential: Credential;
  readonly device?: Device;
}

/** Undefined: it stays as it is. */
type Turn = (credential: Credential, now: Millis) => Turned | undefined | Promise<Turned | undefined>;

async function changeCredentials(
  deps: OperatorDeps,
  selection: CredentialSelection,
  turn: Turn,
  { action, facts, dryRun }: { action: string; facts: Readonly<Record<string, string>>; dryRun: boolean },
): Promise<Outcome<CredentialChange>> {
  const pieces = await carryOutInPieces(
    deps,
    async (after: string | undefined) => {
      const { target, credentials } = await selected(deps.store, selection, after);
      const { rows, next } = await firstOf(turned(credentials, turn, deps.now()), {
        fits: () => true,
        most: limits.operator.commitRows,
        position: ({ credential: { serial } }) => serial,
      });
      const changed = rows.map(({ credential }) => credential);
      const serials = changed.slice(0, limits.operator.listed).map(({ serial }) => serial);
      const plan = {
        action,
        target,
        detail: { ...facts, number: changed.length, serials },
        changes: { credentials: changed, devices: devicesOf(rows) },
        effects: changed.slice(0, limits.operator.listed).map(credentialEffect),
        result: { changed: changed.length, serials },
      };
      return { plan, next };
    },
    { dryRun },
  );
  const changed = pieces.reduce((sum, { result }) => sum + result.changed, 0);
  return {
    applied: pieces.some(({ applied }) => applied),
    effects: firstEffects(
      pieces.flatMap(({ effects }) => effects),
      changed,
    ),
    result: { changed, serials: pieces.flatMap(({ result }) => result.serials).slice(0, limits.operator.listed) },
  };
}

async function* turned(credentials: AsyncIterable<Credential>, turn: Turn, now: Millis): AsyncGenerator<Turned> {
  for await (const credential of credentials) {
    const changed = await turn(credential, now);
    if (changed) yield changed;
  }
}

const devicesOf = (rows: readonly Turned[]): readonly Device[] => [
  ...new Map(rows.flatMap(({ device }) => (device ? [[device.keyId, device] as const] : []))).values(),
];

/** What is selected, in order of serial, behind `after`. */
async function selected(
  store: Store,
  selection: CredentialSelection,
  after: string | undefined,
): Promise<{ readonly target: string; readonly credentials: AsyncIterable<Credential> }> {
  if ('serial' in selection) {
    const credential = await bySerial(store, selection.serial);
    return { target: `credential ${credential.serial}`, credentials: inOrder([credential], after) };
  }
  if ('device' in selection) {
    const device = await findDevice(store, selection.device);
    const wanted = await ofGeneration(store, device, selection.generation);
    return { target: `device ${device.keyId}`, credentials: inOrder(wanted, after) };
  }
  const { id } = await findGroup(store, selection.group);
  return { target: `group ${id}`, credentials: ofGroup(store, id, after) };
}

async function ofGeneration(store: Store, device: Device, wanted?: number): Promise<readonly Credential[]> {
  const all = await store.credentials(device.keyId);
  if (wanted === undefined) return all;
  const some = all.filter(({ generation }) => generation === wanted);
  if (some.length > 0) return some;
  const fix = `the device is in generation ${device.generation}`;
  throw failure('operator.not-found', { device: device.keyId, generation: wanted }, fix);
}

async function* inOrder(credentials: readonly Credential[], after = ''): AsyncGenerator<Credential> {
  yield* [...credentials].sort((a, b) => (a.serial < b.serial ? -1 : 1)).filter(({ serial }) => serial > after);
}

async function* ofGroup(store: Store, groupId: Uuid, after: string | undefined): AsyncGenerator<Credential> {
  for await (const credential of everyCredential(store, after)) if (credential.groupId === groupId) yield credential;
}

async function bySerial(store: Store, text: string): Promise<Credential> {
  const serial = normalSerial(text.trim());
  if (serial === undefined) {
    throw failure('operator.input', { field: 'serial' }, 'write the serial number in hexadecimal, at most 40 digits');
  }
  const credential = await store.credential(serial);
  if (credential) return credential;
  throw failure(
    'operator.not-found',
    { credential: serial },
    '`firstboot credential list` shows those that were issued',
  );
}

async function requireHold(store: Store, serial: string): Promise<void> {
  const { revoked, keyId, ...credential } = await bySerial(store, serial);
  const evidence = { credential: credential.serial, reason: revoked?.reason ?? 'not revoked' };
  if (revoked?.reason !== 'certificateHold') {
    throw failure('operator.conflict', evidence, 'only a hold can be taken back: renew the credential of the device');
  }
  const device = await store.device(keyId);
  if (device?.state === 'active') return;
  throw failure('operator.conflict', { ...evidence, device: device?.state ?? 'unknown' }, 'release the device itself');
}
