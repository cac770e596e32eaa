import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Command, Option } from 'commander';
import { decodePem } from '../codec/pem.ts';
import { policyFiles, policyPartAt, readPolicy } from '../config/policy.ts';
import { settings } from '../config/settings.ts';
import { loadConfig } from '../config.ts';
import { type Millis, systemTimers } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { silentLog } from '../core/log.ts';
import { counted } from '../core/words.ts';
import { findAttempt } from '../operator/attempts.ts';
import { type Explanation, explainAttempt, explainChain, explainChainIn, presentedIn } from '../operator/explain.ts';
import { compilePolicy, type Policy, PolicySource } from '../provision/policy.ts';
import type { Attempt } from '../store/model.ts';
import type { Store } from '../store/store.ts';
import { openDataFolder } from './data-folder.ts';
import { explanationLines } from './explain-view.ts';
import { createOutput, exitCodes, type Output, reportFailure, shownPath } from './output.ts';
import { atTime } from './times.ts';
import { wrapped } from './width.ts';

/** `firstboot explain`: what the service would say of a chain, or has said in an attempt, and why. */
export function explainCommand(): Command {
  const { fallback, variable, flag } = settings.data;
  return new Command('explain')
    .description(
      'Explain a verdict: judge the certificate chain of a device as the service would, or say why an attempt ended as it ' +
        'did. With the first cause, what was seen, and what would help.',
    )
    .summary('why a chain or an attempt is refused')
    .argument(
      '<chain|attempt>',
      "a PEM file with the device's certificate first (-: standard input), or an attempt's id, or its first 8 characters",
    )
    .option('--at <time>', 'judge for this time instead of now: 2026-11-01 or 2026-11-01T12:00:00Z', atTime)
    .option('--group <name>', 'judge as if there were this enrollment group only; a name or an id')
    .addOption(new Option('-c, --config <file>', 'judge by a configuration of firstboot serve').conflicts('policy'))
    .option('-p, --policy <path>', 'judge by a policy file, or a folder of them')
    .addOption(
      new Option(flag, `judge by the data folder of a service (default: ${fallback}, if it is there)`).env(variable),
    )
    .option('--json', 'one JSON object a line')
    .addHelpText(
      'after',
      `
Exit code: 0 for a chain that would be let in, 1 for one that would not.

Examples:
  $ firstboot explain device-0001/mfgcrt.pem
  $ firstboot explain chain.pem -c firstboot.yaml --at 2027-01-01
  $ firstboot explain 0199c3a1-7e4c-7a52-9d3c-2f1f3a1b0c4d`,
    )
    .action((what: string, options: ExplainFlags) => explain(what, options));
}

interface ExplainFlags {
  readonly at?: Millis;
  readonly group?: string;
  readonly config?: string;
  readonly policy?: string;
  readonly data?: string;
  readonly json?: boolean;
}

async function explain(what: string, flags: ExplainFlags): Promise<void> {
  const output = createOutput(flags.json === true);
  let rules: Rules | undefined;
  try {
    const attemptId = existsSync(what) || !looksLikeId(what) ? undefined : what;
    // A file that cannot be read shall be told before a store that is in use.
    const presented = attemptId === undefined ? readChain(what) : undefined;
    rules = await rulesOf(flags, attemptId !== undefined);
    if (presented) show(output, await judge(presented, rules, flags), rules.words);
    else if (attemptId !== undefined) await explainRecorded(attemptId, rules, flags, output);
  } catch (error) {
    reportFailure(error, output);
    if (error instanceof FirstbootError && error.code === 'command.usage') process.exitCode = exitCodes.usage;
  } finally {
    await rules?.store?.close();
  }
}

/** What chains are judged by, and what to call it. */
interface Rules {
  readonly policy: Policy;
  readonly store: Store | undefined;
  readonly words: string;
}

async function rulesOf({ config, policy, data }: ExplainFlags, needsStore: boolean): Promise<Rules> {
  const written = config ?? policy;
  if (written !== undefined && needsStore) {
    const fix = 'an attempt is in the data folder of a service: name it with --data, and leave -c and -p away';
    throw failure('command.usage', {}, fix);
  }
  if (written !== undefined) {
    const parts =
      config === undefined ? policyFiles(written).map(policyPartAt) : loadConfig({}, {}, config).policy?.parts;
    const { groups, hubs } = readPolicy(parts ?? []);
    return { policy: compilePolicy(groups, hubs, silentLog), store: undefined, words: `by ${shownPath(written)}` };
  }
  const folder = data ?? settings.data.fallback;
  if (data === undefined && !needsStore && !existsSync(join(folder, 'store', 'CURRENT'))) {
    const words = 'by nothing: name a configuration (-c), a policy (-p) or a data folder (--data) to judge it by';
    return { policy: compilePolicy([], [], silentLog), store: undefined, words };
  }
  const { store } = await openDataFolder(folder);
  const { current } = await PolicySource.load(store, silentLog);
  return { policy: current, store, words: `by ${counted(current.groups.size, 'group')} in ${shownPath(folder)}` };
}

function judge(presented: readonly Uint8Array[], { policy, store }: Rules, flags: ExplainFlags): Promise<Explanation> {
  const at = flags.at ?? systemTimers.now();
  const group = flags.group === undefined ? undefined : groupNamed(policy, flags.group);
  if (store) return explainChainIn(store, presented, policy, at, { group });
  return Promise.resolve(explainChain(presented, policy, at, { group }));
}

async function explainRecorded(id: string, rules: Rules, flags: ExplainFlags, output: Output): Promise<void> {
  if (!rules.store) return;
  const attempt = await findAttempt(rules.store, id);
  const recorded = explainAttempt(attempt);
  const presented = presentedIn(attempt);
  if (presented.length === 0) return show(output, recorded, 'when it happened');
  const again = await judge(presented, rules, { at: openedAt(attempt), ...flags });
  const words = `${rules.words}, as they are now`;
  if (sameVerdict(recorded, again)) {
    // The one of now has the path as well.
    output.data({ event: 'explanation', judged: 'when it happened', ...recorded });
    show(output, again, 'when it happened; judged by the present policy: the same', words);
    return;
  }
  show(output, recorded, 'when it happened');
  output.line();
  show(output, again, words);
}

const sameVerdict = (a: Explanation, b: Explanation): boolean =>
  a.verdict === b.verdict &&
  a.at === b.at &&
  a.group?.id === b.group?.id &&
  isDeepStrictEqual({ ...a.refusal }, { ...b.refusal });

/** @param judged what programs get for `words` */
function show(output: Output, explanation: Explanation, words: string, judged = words): void {
  process.exitCode = explanation.verdict === 'accepted' ? exitCodes.ok : exitCodes.failed;
  output.data({ event: 'explanation', judged, ...explanation });
  for (const line of explanationLines(explanation, words)) output.line(wrapped(line, hangOf(line)));
}

/** Below the text of a certificate, behind its depth. */
const hangOf = (line: string): number => (/^ *(\d+ {2})?/.exec(line)?.[0].length ?? 0) + 2;

const openedAt = ({ entries }: Attempt): Millis => entries[0]?.at ?? 0;

function groupNamed({ groups }: Policy, text: string): Uuid {
  const id = parseUuid(text);
  const found = [...groups.values()].filter((group) => group.id === id || group.name === text);
  const [group] = found;
  if (group && found.length === 1) return group.id;
  const names = [...groups.values()].map(({ name }) => name).join(', ');
  if (group) throw failure('operator.ambiguous', { group: text }, 'give the id of the group');
  throw failure(
    'operator.not-found',
    { group: text },
    names === '' ? 'there is no group here' : `the groups are ${names}`,
  );
}

/** The certificates of a file, DER. @throws FirstbootError command.file: with what it is instead */
function readChain(file: string): readonly Uint8Array[] {
  const bytes = readBytes(file);
  const unusable = (found: string, fix: string, cause?: unknown): FirstbootError =>
    failure('command.file', { file, found }, fix, cause);
  if (bytes.length > limits.config.fileCharacters) throw unusable('a file that is too large', 'give the chain alone');
  // An ASN.1 SEQUENCE with a long length.
  if (bytes[0] === 0x30 && (bytes[1] ?? 0) >= 0x80) {
    throw unusable('DER', `turn it into PEM: openssl x509 -inform der -in ${file} -out ${file}.pem`);
  }
  const text = bytes.toString('latin1');
  if (!text.includes('-----BEGIN ')) throw unusable('no PEM', "give the device's certificate chain in PEM");
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw unusable('a private key', 'give a file with the certificates alone, and keep the key to yourself');
  }
  try {
    const blocks = decodePem(text);
    const stranger = blocks.find(({ label }) => label !== 'CERTIFICATE');
    if (!stranger && blocks.length > 0) return blocks.map(({ der }) => der);
    throw unusable(stranger?.label ?? 'no certificate', "give the device's certificate chain in PEM, leaf first");
  } catch (error) {
    if (!(error instanceof FirstbootError) || error.code !== 'pem.malformed') throw error;
    const { line, found } = error.evidence;
    throw unusable(`${found} in line ${line}`, 'give the file whole, as the certificate authority wrote it', error);
  }
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    const found = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw failure('command.file', { file, found }, 'check the path and who may read it', error);
  }
}

const looksLikeId = (text: string): boolean => /^[0-9a-f]{4,}(-[0-9a-f]*)*$/i.test(text);
