import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Actor, Credential } from '../store/model.ts';
import type { Store, StoreChanges } from '../store/store.ts';
import type { Page } from './scan.ts';

/** A store that is a part of another one (owner-view.ts) knows more than what is there. */
export interface GuardedStore extends Store {
  /** Says beforehand what it would not write. @throws FirstbootError what `commit` would */
  requireAllowed?(changes: StoreChanges): Promise<void>;
  /**
   * A page of credentials in order of serial, or of those that are not revoked in order of their end, as listOf makes it: what
   * is not in the part counts as looked through.
   */
  listCredentials?(question: {
    readonly ends: { readonly since: Millis; readonly until: Millis } | undefined;
    readonly fits: (credential: Credential) => boolean;
    readonly after: string | undefined;
    readonly limit: number;
  }): Promise<Page<Credential, string>>;
}

/** What operations work on: a store that nobody else has open, or that of the running service. */
export interface OperatorDeps {
  readonly store: GuardedStore;
  readonly now: () => Millis;
  readonly actor: Actor;
  /** Told after groups or hubs have changed, so that a running service goes by them; long lists it asks each time. */
  readonly policyChanged?: () => Promise<void>;
}

/** What an operation would do: decided on what is there, not done yet. */
export interface Plan<T> {
  /** `device.approve` */
  readonly action: string;
  /** `device 3f0c..` */
  readonly target: string;
  /** For the audit log: never a secret. */
  readonly detail: JsonObject;
  readonly changes: Omit<StoreChanges, 'audit'>;
  /** One line for people for each thing that changes; none: there is nothing to do. */
  readonly effects: readonly string[];
  readonly result: T;
}

export interface Outcome<T> {
  /** False after a dry run, and when there was nothing to do. */
  readonly applied: boolean;
  readonly effects: readonly string[];
  readonly result: T;
}

/**
 * Decides and does: the changes and their line of the audit log are written together or not at all. Decides again when
 * somebody else was first.
 * @throws FirstbootError what `decide` throws; service.busy when the records keep changing; service.store
 */
export async function carryOut<T>(
  { store, now, actor, policyChanged }: OperatorDeps,
  decide: () => Promise<Plan<T>>,
  { dryRun = false }: { readonly dryRun?: boolean | undefined } = {},
): Promise<Outcome<T>> {
  for (let tries = 0; tries < limits.provision.writeConflicts; tries++) {
    const { action, target, detail, changes, effects, result } = await decide();
    if (dryRun) await store.requireAllowed?.(changes);
    if (dryRun || effects.length === 0) return { applied: false, effects, result };
    if (await store.commit({ ...changes, audit: { at: now(), actor, action, target, detail } })) {
      if (touchesPolicy(changes)) await policyChanged?.();
      return { applied: true, effects, result };
    }
  }
  throw failure('service.busy', { tries: limits.provision.writeConflicts }, 'the records keep changing: try again');
}

/**
 * An operation on more rows than are written at once. Each piece is decided and done as by `carryOut`, with a line of the
 * audit log of its own; `decide` is told behind what the piece begins, and says behind what the next one does.
 * @throws FirstbootError as carryOut; the pieces before are done then
 */
export async function carryOutInPieces<T, P>(
  deps: OperatorDeps,
  decide: (after: P | undefined) => Promise<{ readonly plan: Plan<T>; readonly next: P | undefined }>,
  options: { readonly dryRun?: boolean | undefined } = {},
): Promise<readonly Outcome<T>[]> {
  const outcomes: Outcome<T>[] = [];
  let next: P | undefined;
  do {
    const after = next;
    const piece = async (): Promise<Plan<T>> => {
      const decided = await decide(after);
      next = decided.next;
      return decided.plan;
    };
    outcomes.push(await carryOut(deps, piece, options));
  } while (next !== undefined);
  return outcomes;
}

/** `revision`: of the row as the operator has seen it; another one than it has now is refused. */
export interface RowOptions {
  readonly dryRun?: boolean | undefined;
  readonly revision?: number | undefined;
}

/** The outcome of a change of one row that was decided as it was read: with the revision that it is stored with now. */
export const asStored = <T extends { readonly revision: number }>(outcome: Outcome<T>): Outcome<T> =>
  outcome.applied ? { ...outcome, result: { ...outcome.result, revision: outcome.result.revision + 1 } } : outcome;

/** @throws FirstbootError api.precondition when the row is not of the revision that the operator has seen, if he names one */
export function requireRevision({ revision }: { readonly revision: number }, expected: number | undefined): void {
  if (expected === undefined || expected === revision) return;
  throw failure('api.precondition', { revision, expected }, 'read it again, then repeat the change');
}

const touchesPolicy = ({ groups, deletedGroups, hubs, deletedHubs }: StoreChanges): boolean =>
  [groups, deletedGroups, hubs, deletedHubs].some((rows) => rows !== undefined && rows.length > 0);
