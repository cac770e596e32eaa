import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Value from 'typebox/value';
import { type JudgedYaml, judgeYaml } from '../codec/yaml.ts';
import type { Millis } from '../core/clock.ts';
import { FirstbootError, failure } from '../core/errors.ts';
import { parseUuid, type Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { EnrollmentGroup, Hub, PolicyOrigin } from '../store/model.ts';
import { groupAt } from './group.ts';
import { groupSchema } from './group-schema.ts';
import { hubAt } from './hub.ts';
import { hubSchema } from './hub-schema.ts';
import { baseOf, type Findings, Place, type PolicyPart, type PolicyWarning } from './place.ts';
import { checkNames } from './rules.ts';
import { policySchema } from './schema.ts';

export interface PolicyOptions {
  /** Hubs that there are besides those of the files. */
  readonly hubs?: readonly Uuid[];
  /** Who the groups and hubs are of. Default: file. */
  readonly source?: PolicyOrigin;
  /** For warnings about dates; without it there are none. */
  readonly now?: Millis;
  /** A group may come without its keys: a missing key is '' then, which stands for the one that is there. */
  readonly secrets?: 'may-be-left-out';
  /** Files that are read again later are on another machine: their names stay as they are written. */
  readonly secretFiles?: 'elsewhere';
}

/** Groups and hubs as they are stored, with everything that files refer to read in. */
export interface PolicyDocument {
  readonly groups: EnrollmentGroup[];
  readonly hubs: Hub[];
  readonly warnings: readonly PolicyWarning[];
  /** Absolute paths of what it names: certificates, lists, keys. */
  readonly files: readonly string[];
}

/**
 * Reads one policy file: YAML with `groups`, `hubs` or both (docs/policy.md).
 * @param name what to call the text in complaints.
 * @param base folder that paths in it are relative to.
 * @throws FirstbootError service.config naming file, line, key and what was expected; nothing is half-read.
 */
export const readPolicyFile = (text: string, name: string, base: string, options?: PolicyOptions): PolicyDocument =>
  readPolicy([policyPart(judgeYaml(text, name, policySchema), name, base)], options);

/** Reads files of one policy together: hubs may stand in another file than the groups that use them. @throws as above */
export function readPolicy(parts: readonly PolicyPart[], options?: PolicyOptions): PolicyDocument {
  const { problems, ...document } = judgePolicy(parts, options);
  if (problems[0]) throw problems[0];
  return document;
}

/**
 * The same with all that is wrong, not only the first thing: every fault of shape, and what is wrong with the groups and hubs
 * whose shape is right. What it gives is of use only when nothing is wrong.
 */
export function judgePolicy(
  parts: readonly PolicyPart[],
  { hubs: others = [], source = 'file', now, secrets, secretFiles }: PolicyOptions = {},
): PolicyDocument & { readonly problems: readonly FirstbootError[] } {
  const findings: Findings = {
    problems: parts.flatMap(({ problems }) => problems),
    warnings: [],
    now,
    keysLeftOut: secrets === 'may-be-left-out',
    elsewhere: secretFiles === 'elsewhere',
    files: new Set(),
  };
  const placed = parts.map((part) => ({ place: new Place(part, findings), part }));
  checkNames(placed);
  const hubs = placed.flatMap(({ place, part }) =>
    part.hubs.flatMap((hub, at) => (hub ? [hubAt(place.at('hubs', at), hub, source)] : [])),
  );
  const known = knownHubs(parts, others);
  const groups = placed.flatMap(({ place, part }) =>
    part.groups.flatMap((group, at) => (group ? [groupAt(place.at('groups', at), group, source, known)] : [])),
  );
  return { groups, hubs, warnings: findings.warnings, files: [...findings.files], problems: findings.problems };
}

/** Undefined when some hub cannot be told by its id: then nobody can say which one is missing. */
function knownHubs(parts: readonly PolicyPart[], others: readonly Uuid[]): ReadonlySet<Uuid> | undefined {
  const known = new Set(others);
  for (const { hubIds } of parts) {
    if (hubIds === undefined) return undefined;
    for (const id of hubIds) known.add(id);
  }
  return known;
}

/** The policy in a file that has been read, policy file or configuration: its entries of the right shape. */
export function policyPart({ value, at, problems }: JudgedYaml, name: string, base: string): PolicyPart {
  const [groups, hubs] = [entriesOf(value, 'groups'), entriesOf(value, 'hubs')];
  const ids = hubs?.map(hubIdOf);
  return {
    name,
    base,
    groups: (groups ?? []).map((group) => (Value.Check(groupSchema, group) ? group : undefined)),
    hubs: (hubs ?? []).map((hub) => (Value.Check(hubSchema, hub) ? hub : undefined)),
    hubIds: ids?.every((id) => id !== undefined) ? ids : undefined,
    at,
    problems,
  };
}

/** Undefined when something else than a list is there. */
function entriesOf(value: unknown, key: 'groups' | 'hubs'): readonly unknown[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = (value as Keyed)[key] ?? [];
  return Array.isArray(entries) ? entries : undefined;
}

type Keyed = Readonly<Record<string, unknown>>;

function hubIdOf(hub: unknown): Uuid | undefined {
  if (Value.Check(hubSchema, hub)) return parseUuid(hub.id) ?? hub.id;
  const id = typeof hub === 'object' && hub !== null ? (hub as Keyed).id : undefined;
  return typeof id === 'string' ? parseUuid(id) : undefined;
}

/** A file that cannot be read as a whole: what its hubs are nobody knows. */
const unreadablePart = (name: string, problem: FirstbootError): PolicyPart => ({
  name,
  base: baseOf(name),
  groups: [],
  hubs: [],
  hubIds: undefined,
  at: () => problem,
  problems: [problem],
});

/** The policy files at a path, read; one that cannot be read, or the path itself, is a part with that problem. */
export function policyParts(path: string): readonly PolicyPart[] {
  try {
    return policyFiles(path).map(policyPartAt);
  } catch (error) {
    if (error instanceof FirstbootError) return [unreadablePart(path, error)];
    throw error;
  }
}

/**
 * The policy files at a path: the file itself, or all *.yaml and *.yml of a folder (not of those in it), by name.
 * @throws FirstbootError service.config
 */
export function policyFiles(path: string): string[] {
  const names = listed(path);
  if (names === undefined) return [path];
  const files = names.filter((name) => /^[^.].*\.ya?ml$/.test(name)).map((name) => join(path, name));
  if (files.length <= limits.policy.files) return files;
  throw failure('service.config', { folder: path, files: files.length }, `keep at most ${limits.policy.files} files`);
}

/** Reads a policy file with all that is wrong with its shape; one that cannot be read is a part with that problem. */
export function policyPartAt(file: string): PolicyPart {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return unreadablePart(file, failure('service.config', { file }, 'the file cannot be read', error));
  }
  return policyPart(judgeYaml(text, file, policySchema), file, baseOf(file));
}

/** Sorted names of a folder; undefined when the path is none. */
function listed(path: string): string[] | undefined {
  try {
    return statSync(path).isDirectory() ? readdirSync(path).toSorted() : undefined;
  } catch (error) {
    throw failure('service.config', { path }, 'the policy cannot be read: check the path', error);
  }
}
