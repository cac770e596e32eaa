import { createHmac } from 'node:crypto';
import { fromBase64, fromUtf8, toHex, utf8 } from '../core/bytes.ts';
import type { Uuid } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import { Secret } from '../core/secret.ts';
import type { EnrollmentGroup } from '../store/model.ts';

/** The pre-shared keys of a policy, for looking up: a fixed number of steps, however many there are. */
export interface PskTable {
  /** By identity in hexadecimal; a pattern by the hexadecimal of what stands in front of its `*`, and that. */
  readonly byName: ReadonlyMap<string, PskEntry>;
  /** Lengths of those in front of a `*`, bytes, longest first. */
  readonly prefixes: readonly number[];
}

interface PskEntry {
  readonly groupId: Uuid;
  /** As the group has it, `*` included. */
  readonly identity: string;
  readonly key: Secret<Uint8Array>;
  readonly derived: boolean;
}

/** The key that goes with one identity. */
interface FoundPsk {
  readonly groupId: Uuid;
  /** The whole identity, as text. */
  readonly identity: string;
  /** What it was found by: itself, or the pattern. */
  readonly by: string;
  /** One key for any number of identities: who has it can name as many as he likes. */
  readonly shared: boolean;
}

/** Identities of enabled groups win over those of disabled ones; between equals the first group of the list. */
export function compilePsk(groups: readonly EnrollmentGroup[], log: Log): PskTable {
  const byName = new Map<string, PskEntry>();
  const prefixes = new Set<number>();
  for (const group of [...groups.filter((g) => g.enabled), ...groups.filter((g) => !g.enabled)]) {
    for (const { identity, key, derived } of group.attestation.psk) {
      const isPattern = identity.endsWith('*');
      const text = utf8(isPattern ? identity.slice(0, -1) : identity);
      const name = nameOf(toHex(text), isPattern);
      const earlier = byName.get(name);
      if (earlier) {
        log.warn({ identity, group: group.name, groupId: earlier.groupId }, 'a PSK identity is taken by another group');
        continue;
      }
      if (isPattern) prefixes.add(text.length);
      const secret = new Secret(fromBase64(key));
      byName.set(name, { groupId: group.id, identity, key: secret, derived });
    }
  }
  return { byName, prefixes: [...prefixes].sort((a, b) => b - a) };
}

/**
 * Whose identity it is: exactly, else by the pattern with the most in front of its `*`. An identity that only a pattern fits
 * must be printable text: it is what the device is known by.
 */
export function findPsk(table: PskTable, identity: Uint8Array): FoundPsk | undefined {
  const found = findEntry(table, identity);
  if (found === undefined) return undefined;
  const { entry, text } = found;
  return { groupId: entry.groupId, identity: text, by: entry.identity, shared: isShared(entry) };
}

/** The key of an identity; one derived for it is HMAC-SHA256(master, identity), 32 bytes. */
export function keyOfPsk(table: PskTable, identity: Uint8Array): Secret<Uint8Array> | undefined {
  const entry = findEntry(table, identity)?.entry;
  if (!entry?.derived) return entry?.key;
  const derived = createHmac('sha256', entry.key.reveal()).update(identity).digest();
  return new Secret(new Uint8Array(derived));
}

function findEntry(
  { byName, prefixes }: PskTable,
  identity: Uint8Array,
): { readonly entry: PskEntry; readonly text: string } | undefined {
  if (byName.size === 0 || identity.length === 0 || identity.length > limits.secure.pskIdentityBytes) return undefined;
  const hex = toHex(identity);
  const exact = byName.get(nameOf(hex, false));
  if (exact) return { entry: exact, text: exact.identity };
  const text = printableText(identity);
  if (text === undefined) return undefined;
  for (const length of prefixes) {
    if (length > identity.length) continue;
    const entry = byName.get(nameOf(hex.slice(0, 2 * length), true));
    if (entry) return { entry, text };
  }
  return undefined;
}

function printableText(identity: Uint8Array): string | undefined {
  try {
    const text = fromUtf8(identity);
    return /\p{C}/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

const isShared = ({ identity, derived }: PskEntry): boolean => identity.endsWith('*') && !derived;

const nameOf = (hex: string, isPattern: boolean): string => (isPattern ? `${hex}*` : hex);
