import { dirname, resolve } from 'node:path';
import type { Complain, KeyPath } from '../codec/yaml.ts';
import type { Millis } from '../core/clock.ts';
import type { FirstbootError } from '../core/errors.ts';
import type { Uuid } from '../core/ids.ts';
import { isPrintable } from '../operator/selectors.ts';
import type { GroupConfig } from './group-schema.ts';
import type { HubConfig } from './hub-schema.ts';

/** A policy file whose shape has been looked at; what it says has still to be judged. */
export interface PolicyPart {
  /** What the file is called in complaints. */
  readonly name: string;
  /** Folder that the paths in it are relative to. */
  readonly base: string;
  /** It came over the network: no file of this machine can be named in it, but for those with secrets, by their bare names. */
  readonly sent?: SentPolicy;
  /** By their place in the file; undefined: that one has not the right shape. */
  readonly groups: readonly (GroupConfig | undefined)[];
  readonly hubs: readonly (HubConfig | undefined)[];
  /** Ids of all its hubs, whatever else is wrong with them; undefined when they cannot be told. */
  readonly hubIds: readonly Uuid[] | undefined;
  readonly at: Complain;
  /** What is wrong with its shape. */
  readonly problems: readonly FirstbootError[];
}

export interface SentPolicy {
  /** Folder of the files with secrets. */
  readonly secrets: string;
  /** Files that are named already: by the same bare name they stay, wherever they are. */
  readonly named: readonly string[];
}

/** Something that will do no harm now and that somebody should know. */
export interface PolicyWarning {
  readonly file: string;
  readonly line: number;
  readonly key: string;
  readonly text: string;
}

/** What is found while a policy is read. */
export interface Findings {
  readonly problems: FirstbootError[];
  readonly warnings: PolicyWarning[];
  /** For dates of certificates and revocation lists; undefined: they are not looked at. */
  readonly now: Millis | undefined;
  /** Absolute paths that it names. */
  readonly files: Set<string>;
  /** A key that is missing was left out: it is taken as ''. */
  readonly keysLeftOut?: boolean;
  /** Files that are read again later are those of another machine: they are not looked at. */
  readonly elsewhere?: boolean;
}

/** A place in a policy file: what is wrong there is noted with file, line and key. */
export class Place {
  private readonly part: PolicyPart;
  private readonly findings: Findings;
  private readonly keys: KeyPath;

  constructor(part: PolicyPart, findings: Findings, keys: KeyPath = []) {
    this.part = part;
    this.findings = findings;
    this.keys = keys;
  }

  get now(): Millis | undefined {
    return this.findings.now;
  }

  get keysLeftOut(): boolean {
    return this.findings.keysLeftOut === true;
  }

  get elsewhere(): boolean {
    return this.findings.elsewhere === true;
  }

  at(...keys: KeyPath): Place {
    return new Place(this.part, this.findings, [...this.keys, ...keys]);
  }

  problem(expected: string): void {
    this.findings.problems.push(this.part.at(this.keys, expected));
  }

  warn(text: string): void {
    const { file, line, key } = this.part.at(this.keys, text).evidence;
    this.findings.warnings.push({ file: String(file), line: Number(line), key: String(key ?? ''), text });
  }

  /** Undefined: it stands in a file of this machine. */
  get sent(): SentPolicy | undefined {
    return this.part.sent;
  }

  /** A path as it stands there, made absolute. */
  path(text: string): string {
    const path = resolve(this.part.base, text);
    this.findings.files.add(path);
    return path;
  }

  /** `firstboot.yaml, line 12`, to point at from elsewhere. */
  get text(): string {
    const { file, line, key } = this.part.at(this.keys, '').evidence;
    return line === undefined ? String(key) : `${file}, line ${line}`;
  }
}

/**
 * A URL as it stands there. One with a user and a password in it is refused: nothing sends them, and logs would show them. The
 * complaint does not say it.
 */
export function urlAt(place: Place, text: string): string {
  const url = URL.parse(text);
  if (url === null) place.problem('expected a whole URL, as https://host/path');
  else if (url.username !== '' || url.password !== '') {
    place.problem('a URL with a user or password (…@) is not taken: they would not be sent, and would be in the logs');
  }
  return text;
}

/** A name that people are shown. */
export function nameAt(place: Place, text: string): string {
  if (!isPrintable(text)) place.problem('expected one line: no control characters, nothing that cannot be seen');
  return text;
}

/** The folder that paths in a file are relative to. */
export const baseOf = (file: string): string => dirname(resolve(file));
