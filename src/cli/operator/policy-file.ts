import { dirname } from 'node:path';
import { readPolicyFile } from '../../config/policy.ts';
import { failure } from '../../core/errors.ts';
import type { Operations } from '../../operator/operations.ts';
import type { EnrollmentGroup, Hub } from '../../store/model.ts';
import { readNamed } from '../named-file.ts';
import { plain } from '../plain.ts';
import type { CommandContext } from '../with-operations.ts';

/**
 * The groups and hubs that a file given by `-f` (`-`: standard input) says. Files it names are looked for beside it, hubs it
 * names also among those that are there. What a running service reads itself, later, is looked for by nobody here.
 * @throws FirstbootError command.file, service.config; operator.input when it has none of `wanted`
 */
export async function policyFile(
  operations: Operations,
  { now, folder }: CommandContext,
  file: string,
  wanted: 'groups' | 'hubs',
): Promise<{ readonly groups: readonly EnrollmentGroup[]; readonly hubs: readonly Hub[] }> {
  const name = file === '-' ? 'standard input' : file;
  const hubs = (await operations.hubs()).map(({ hub: { id } }) => id);
  const base = file === '-' ? process.cwd() : dirname(file);
  const text = readNamed(file).toString('utf8');
  const found = readPolicyFile(text, name, base, {
    hubs,
    source: 'operator',
    now: now(),
    ...(folder === undefined && { secretFiles: 'elsewhere' }),
  });
  for (const { text } of found.warnings) process.stderr.write(`firstboot: ${plain(text)}\n`);
  if (found[wanted].length > 0) return found;
  throw failure('operator.input', { file: name, key: wanted }, `write ${wanted} under this key`);
}
