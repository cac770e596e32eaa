import { isoTime, type Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { RandomSource } from '../core/random.ts';
import { createIssuing, createRoot } from '../pki/authority.ts';
import { readAuthorityState, writeAuthorityState } from '../pki/authority-folder.ts';
import type { Issuer } from '../pki/issuer.ts';
import {
  type AuthorityState,
  type IssuerMaker,
  keyIdOf,
  nextRootStage,
  type RollOverStage,
  rolledOver,
} from '../pki/roll-over.ts';
import type { Actor } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { type HeldCredential, type HeldCredentials, heldCredentials, isBelow, knows } from './ca-credentials.ts';
import type { Outcome } from './change.ts';

/** What the commands about our own authority work on. */
export interface AuthorityDeps {
  /** Of the authority. */
  readonly folder: string;
  /** Undefined: there is none; then nothing is known of devices, and nothing is audited. */
  readonly store: Store | undefined;
  readonly now: () => Millis;
  readonly random: RandomSource;
  readonly actor: Actor;
}

export interface RotationOptions {
  readonly what: 'issuing' | 'root';
  /** Of a root; default: the one whose turn it is. */
  readonly stage?: Exclude<RollOverStage, 'issuing'> | undefined;
  /** Whether or not devices depend on what goes. */
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface Rotation {
  readonly stage: RollOverStage;
  /** What is left to do, in order. */
  readonly next: readonly string[];
  /** When the next stage cuts nobody off, at the latest: devices have renewed by then. Undefined: there is none, or nobody depends. */
  readonly safeFrom: Millis | undefined;
  /** Devices that this stage cuts off. */
  readonly cutOff: number;
}

/**
 * Takes the next step of a roll-over of the issuing authority or of the root. The line of the audit log is written when all
 * is prepared, before the folder changes.
 * @throws FirstbootError operator.conflict: not this stage's turn, or devices depend on what goes; service.config, service.store
 */
export async function rotateAuthority(deps: AuthorityDeps, options: RotationOptions): Promise<Outcome<Rotation>> {
  const { folder, store, now: clock, actor } = deps;
  const { what, force = false, dryRun = false } = options;
  const now = clock();
  const state = await readAuthorityState(folder, now);
  const stage = what === 'issuing' ? 'issuing' : (options.stage ?? nextRootStage(state));
  const held = store && (await heldCredentials(store, now));
  const after = withoutUnused(rolledOver(state, stage, maker(deps, now)), held);
  const dependent = dependents(state, stage, held);
  if (!force) refuseWhileNeeded(stage, dependent);
  const result: Rotation = {
    stage,
    next: nextSteps[stage],
    safeFrom: safeFrom(after, stage, held),
    cutOff: dependent?.length ?? 0,
  };
  const effects = effectsOf(state, after, stage);
  if (dryRun) return { applied: false, effects, result };
  await store?.commit({
    audit: {
      at: now,
      actor,
      action: `ca.${stage}`,
      target: `authority ${keyIdOf(after.root)}`,
      detail: {
        root: after.root.certificate.subject.text,
        issuing: after.issuing.certificate.subject.text,
        issuingKeyId: keyIdOf(after.issuing),
        ...(after.next && { announced: after.next.certificate.subject.text }),
        forced: force,
        cutOff: result.cutOff,
      },
    },
  });
  await writeAuthorityState(folder, after);
  return { applied: true, effects, result };
}

/** Devices that a stage cuts off; undefined: nobody knows. */
function dependents(
  state: AuthorityState,
  stage: RollOverStage,
  held: HeldCredentials | undefined,
): readonly HeldCredential[] | undefined {
  const { root, next, previous } = state;
  const all = held && [...held.inUse.values()];
  if (stage === 'switch' && next) return all?.filter((credential) => !knows(next, credential));
  if (stage === 'retire' && previous) {
    return all?.filter((credential) => isBelow(state, previous, credential) || !knows(root, credential));
  }
  return [];
}

function refuseWhileNeeded(stage: RollOverStage, dependent: readonly HeldCredential[] | undefined): void {
  if (dependent?.length === 0) return;
  const fix = 'wait until they have renewed, or force it: they are cut off until they renew';
  if (dependent === undefined) {
    throw failure('operator.conflict', { stage, devices: 'unknown' }, "name the service's data folder, or force it");
  }
  const latest = Math.max(...dependent.map(({ notAfter }) => notAfter));
  const evidence = {
    stage,
    devices: dependent.length,
    first: dependent[0]?.deviceId ?? '',
    safeFrom: isoTime(latest),
  };
  throw failure('operator.conflict', evidence, fix);
}

/** Devices renew before their certificates end, and get then what is delivered now. */
function safeFrom(after: AuthorityState, stage: RollOverStage, held: HeldCredentials | undefined): Millis | undefined {
  const coming = stage === 'announce' ? 'switch' : stage === 'switch' ? 'retire' : undefined;
  const dependent = coming && dependents(after, coming, held);
  return dependent && dependent.length > 0 ? Math.max(...dependent.map(({ notAfter }) => notAfter)) : undefined;
}

/** Issuing authorities of the past are kept as long as a certificate of theirs has not expired: it may have to be revoked. */
function withoutUnused(state: AuthorityState, held: HeldCredentials | undefined): AuthorityState {
  if (!held) return state;
  return { ...state, retired: state.retired.filter((issuer) => held.issuers.has(keyIdOf(issuer))) };
}

function effectsOf(before: AuthorityState, after: AuthorityState, stage: RollOverStage): readonly string[] {
  const name = ({ certificate }: Issuer): string => certificate.subject.text;
  const kept = new Set(after.retired.map(keyIdOf));
  const dropped = [before.issuing, ...before.retired].filter(
    (issuer) => keyIdOf(issuer) !== keyIdOf(after.issuing) && !kept.has(keyIdOf(issuer)),
  );
  const signs = `${name(after.issuing)} signs identity certificates from now on`;
  const main: Record<RollOverStage, readonly string[]> = {
    issuing: [signs],
    announce: [`${after.next ? name(after.next) : ''} is delivered beside ${name(after.root)}, which still signs`],
    switch: [signs, `${name(after.root)} is the root; ${name(before.root)} is still delivered beside it`],
    retire: [`${before.previous ? name(before.previous) : ''} is not delivered any more`],
  };
  const retired = new Set(before.retired.map(keyIdOf));
  const newlyRetired = after.retired.filter((issuer) => !retired.has(keyIdOf(issuer)));
  const lists = newlyRetired.map((issuer) => `${name(issuer)} is kept for its revocation list`);
  return [
    ...main[stage],
    ...lists,
    ...dropped.map((issuer) => `${name(issuer)} is removed: its certificates have expired`),
  ];
}

/** A service that rotates its own authority reloads at once. */
const reload = 'a service that runs takes it when it reloads (by itself, at SIGHUP or POST /api/v1/reload)';

const nextSteps: Record<RollOverStage, readonly string[]> = {
  issuing: [`${reload}, and signs with the new authority`],
  announce: [
    `${reload}: devices get both roots when they renew`,
    "give anchors.pem to the hub's gateways",
    'once every device has renewed: firstboot ca rotate root',
  ],
  switch: [
    `${reload}, and signs below the new root`,
    "give the hub's gateways certificates below the new root; every device knows both",
    'once every device has renewed: firstboot ca rotate root',
  ],
  retire: [reload, "give anchors.pem to the hub's gateways"],
};

const maker = ({ random }: AuthorityDeps, now: Millis): IssuerMaker => ({
  root: ({ commonName, organization }) => createRoot(commonName, { now, random, name: organization }),
  issuing: ({ commonName, organization }, root) => createIssuing(commonName, root, { now, random, name: organization }),
});
