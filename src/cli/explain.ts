import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Command, Option } from 'commander';
import { settings } from '../config/settings.ts';
import { type Millis, systemTimers } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { counted } from '../core/words.ts';
import type { Explanation } from '../operator/explain.ts';
import type { AttemptExplanation, ExplainQuestion } from '../operator/operations.ts';
import { explanationLines } from './explain-view.ts';
import { readNamed } from './named-file.ts';
import { createOutput, exitCodes, type Output, reportFailure, shownPath } from './output.ts';
import { atTime } from './times.ts';
import { wrapped } from './width.ts';
import { asks, type TargetOptions, withOperations } from './with-operations.ts';

/** `firstboot explain`: what the service would say of a chain, or has said in an attempt, and why. */
export function explainCommand(): Command {
  const explained = new Command('explain')
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
    .option('-p, --policy <path>', 'judge by a policy file, or a folder of them');
  return asks(explained)
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

interface ExplainFlags extends TargetOptions {
  readonly at?: Millis;
  readonly group?: string;
  readonly config?: string;
  readonly policy?: string;
}

async function explain(what: string, flags: ExplainFlags): Promise<void> {
  const attemptId = existsSync(what) || !looksLikeId(what) ? undefined : what;
  const output = createOutput(flags.json === true);
  try {
    // A file that cannot be read shall be told before a store that is in use.
    const presented = attemptId === undefined ? await readChain(what) : undefined;
    const written = flags.config ?? flags.policy;
    if (presented && (written !== undefined || !hasTarget(flags)))
      return await explainWritten(presented, flags, output);
    if (written !== undefined) {
      const fix = 'an attempt is with a service: name its data folder (--data) or address, and leave -c and -p away';
      throw failure('command.usage', {}, fix);
    }
    await withOperations(flags, async (operations, _, { folder }) => {
      const place = (groups: number): string =>
        `by ${counted(groups, 'group')} ${folder === undefined ? `at ${flags.server}` : `in ${shownPath(folder)}`}`;
      if (presented) {
        const { explanation, groups } = await operations.explainChain(presented, questionOf(flags));
        show(output, explanation, place(groups));
      } else showRecorded(output, await operations.explainAttempt(attemptId ?? '', questionOf(flags)), place);
    });
  } catch (error) {
    reportFailure(error, output);
  }
}

const questionOf = ({ at, group }: ExplainFlags): ExplainQuestion => ({ at, group });

/** Whether there is a service or a data folder to be asked. */
const hasTarget = ({ data, server }: ExplainFlags): boolean =>
  data !== undefined || server !== undefined || existsSync(join(settings.data.fallback, 'store', 'CURRENT'));

/** By a configuration or a policy file, or by nothing. */
async function explainWritten(
  presented: readonly Uint8Array[],
  { config, policy, ...flags }: ExplainFlags,
  output: Output,
): Promise<void> {
  const [{ policyFiles, policyPartAt, readPolicy }, { loadConfig }, { compilePolicy }, { explainBy }, { silentLog }] =
    await Promise.all([
      import('../config/policy.ts'),
      import('../config.ts'),
      import('../provision/policy.ts'),
      import('../operator/present-policy.ts'),
      import('../core/log.ts'),
    ]);
  const written = config ?? policy;
  const parts =
    config !== undefined
      ? loadConfig({}, {}, config).policy?.parts
      : policy === undefined
        ? []
        : policyFiles(policy).map(policyPartAt);
  const { groups, hubs } = readPolicy(parts ?? []);
  const rules = compilePolicy(groups, hubs, silentLog);
  const { explanation } = explainBy(rules, presented, questionOf(flags), systemTimers.now());
  const words =
    written === undefined
      ? 'by nothing: name a configuration (-c), a policy (-p), a data folder (--data) or a service to judge it by'
      : `by ${shownPath(written)}`;
  show(output, explanation, words);
}

function showRecorded(
  output: Output,
  { recorded, now: again, groups }: AttemptExplanation,
  place: (groups: number) => string,
): void {
  if (again === undefined) {
    show(output, recorded, 'when it happened');
    return;
  }
  const words = `${place(groups)}, as they are now`;
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

/** The certificates of a file, DER. @throws FirstbootError command.file: with what it is instead */
async function readChain(file: string): Promise<readonly Uint8Array[]> {
  const { decodePem } = await import('../codec/pem.ts');
  const bytes = readNamed(file);
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

const looksLikeId = (text: string): boolean => /^[0-9a-f]{4,}(-[0-9a-f]*)*$/i.test(text);
