import type { Millis } from '../core/clock.ts';
import { failure } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { silentLog } from '../core/log.ts';
import { compilePolicy, type Policy, PolicySource } from '../provision/policy.ts';
import type { EnrollmentGroup, Hub } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { applyPolicy } from './apply-policy.ts';
import { findAttempt } from './attempts.ts';
import type { OperatorDeps, Outcome } from './change.ts';
import { explainAttempt, explainChain, explainChainIn, presentedIn } from './explain.ts';
import { putGroup } from './groups.ts';
import { putHub } from './hubs.ts';
import type { AttemptExplanation, ChainExplanation, ExplainQuestion, PolicyDryRun } from './operations.ts';
import { dryRunPolicy } from './replay.ts';

/** Questions to the policy that is in the store now. */

/** The groups and hubs of a store, ready to judge by. @throws FirstbootError service.store */
export const presentPolicy = async (store: Store): Promise<Policy> =>
  (await PolicySource.load(store, silentLog)).current;

/**
 * What the service would say of a chain.
 * @param presented DER, the device's certificate first
 * @throws FirstbootError operator.not-found, operator.ambiguous (the group)
 */
export async function explainPresented(
  store: Store,
  presented: readonly Uint8Array[],
  { at, group }: ExplainQuestion,
  now: Millis,
): Promise<ChainExplanation> {
  const policy = await presentPolicy(store);
  const options = { group: group === undefined ? undefined : groupNamed(policy, group) };
  const explanation = await explainChainIn(store, presented, policy, at ?? now, options);
  return { explanation, groups: policy.groups.size };
}

/** The same by a policy that is in no store: nobody knows the devices then. @throws as above */
export function explainBy(
  policy: Policy,
  presented: readonly Uint8Array[],
  { at, group }: ExplainQuestion,
  now: Millis,
): ChainExplanation {
  const options = { group: group === undefined ? undefined : groupNamed(policy, group) };
  return { explanation: explainChain(presented, policy, at ?? now, options), groups: policy.groups.size };
}

/**
 * What was decided on an attempt, and what the present policy says of the chain that it shows.
 * @throws FirstbootError as findAttempt, and as explainPresented
 */
export async function explainRecorded(
  store: Store,
  which: string,
  { at, group }: ExplainQuestion,
): Promise<AttemptExplanation> {
  const attempt = await findAttempt(store, which);
  const recorded = explainAttempt(attempt);
  const presented = presentedIn(attempt);
  const question = { at: at ?? recorded.at, group };
  const again = presented.length === 0 ? undefined : await explainPresented(store, presented, question, recorded.at);
  return {
    attempt: attempt.id,
    recorded,
    now: again?.explanation,
    groups: again?.groups ?? (await store.groups.list()).length,
  };
}

/**
 * What a policy would change. Rows of files take the place of what files say now, and those of operators stay and are judged
 * along. Rows of operators are changes by operators: all that they do not name stays.
 * @throws FirstbootError operator.conflict when an id or name is an operator's already; as putGroup and putHub; service.store
 */
export async function dryRunWritten(
  deps: OperatorDeps,
  policy: { readonly groups: readonly EnrollmentGroup[]; readonly hubs: readonly Hub[] },
  since: Millis,
): Promise<PolicyDryRun> {
  const { store, now } = deps;
  const present = { groups: await store.groups.list(), hubs: await store.hubs.list() };
  const changes = [...policy.groups, ...policy.hubs].some(ofOperators);
  const { effects, groups, hubs } = changes ? await changedBy(deps, policy) : await writtenIn(deps, policy);
  const stays = (row: Pick<EnrollmentGroup, 'id' | 'source'>, next: readonly { readonly id: Uuid }[]): boolean =>
    changes ? next.every(({ id }) => id !== row.id) : ofOperators(row);
  const next = compilePolicy(
    [...present.groups.filter((row) => stays(row, groups)), ...groups],
    [...present.hubs.filter((row) => stays(row, hubs)), ...hubs],
    silentLog,
    await store.crls.list(),
  );
  return { effects, report: await dryRunPolicy({ store, policy: next, since, now: now() }) };
}

interface Rows {
  readonly groups: readonly EnrollmentGroup[];
  readonly hubs: readonly Hub[];
}

async function writtenIn(deps: OperatorDeps, rows: Rows): Promise<Rows & { readonly effects: readonly string[] }> {
  const { effects } = await applyPolicy(deps, rows, { dryRun: true });
  return { ...rows, effects };
}

/** Keys that were not sent are those that are there. */
async function changedBy(deps: OperatorDeps, rows: Rows): Promise<Rows & { readonly effects: readonly string[] }> {
  const { store } = deps;
  const hubs: Outcome<Hub>[] = [];
  for (const hub of rows.hubs) {
    hubs.push(await putHub(deps, hub, { create: !(await store.hubs.get(hub.id)), dryRun: true }));
  }
  const groups: Outcome<EnrollmentGroup>[] = [];
  for (const group of rows.groups) {
    groups.push(await putGroup(deps, group, { create: !(await store.groups.get(group.id)), dryRun: true }));
  }
  return {
    effects: [...hubs, ...groups].flatMap(({ effects }) => effects),
    groups: groups.map(({ result }) => result),
    hubs: hubs.map(({ result }) => result),
  };
}

const ofOperators = ({ source }: Pick<EnrollmentGroup, 'source'>): boolean => source === 'operator';

function groupNamed({ groups }: Policy, text: string): Uuid {
  const id = parseUuid(text);
  const found = [...groups.values()].filter((group) => group.id === id || group.name === text);
  const [group] = found;
  if (group && found.length === 1) return group.id;
  const evidence = { group: text.slice(0, limits.policy.text) };
  if (group) throw failure('operator.ambiguous', evidence, 'give the id of the group');
  const names = [...groups.values()].map(({ name }) => name);
  const known = names.slice(0, limits.operator.candidates).join(', ');
  const more =
    names.length > limits.operator.candidates ? ` and ${names.length - limits.operator.candidates} more` : '';
  throw failure(
    'operator.not-found',
    evidence,
    known === '' ? 'there is no group here' : `the groups are ${known}${more}`,
  );
}
