import type { Uuid } from '../core/ids.ts';
import { matchesPattern } from '../core/pattern.ts';
import { del, keys, put, under, type WriteOp } from './medium.ts';
import type { AccessEntry, AccessList, DeviceSelector } from './model.ts';
import { parse, type Rows } from './rows.ts';
import { type AccessSubject, accessKey } from './store.ts';

type AccessName = Pick<AccessEntry, 'groupId' | 'list' | 'device'>;

/**
 * The long lists of groups. What names one device is found by key; subjects with a `*` are held in memory, ordered by the
 * text in front of it, so that a list of a hundred thousand of them costs a device some look-ups.
 */
export class AccessLists {
  private readonly rows: Rows;
  private readonly patterns = new Map<string, Patterns>();
  /** Lists that are known to have entries, or none; forgotten when the list changes. */
  private readonly filled = new Map<string, boolean>();
  private changes = 0;

  /** Reads the patterns that are written. */
  static async open(rows: Rows): Promise<AccessLists> {
    const lists = new AccessLists(rows);
    for (const [key, pattern] of await rows.rows(under('access-pattern'))) {
      const [, groupId = '', list = ''] = key.split('!', 3);
      lists.of(listName(groupId, list)).add(JSON.parse(pattern) as string);
    }
    return lists;
  }

  private constructor(rows: Rows) {
    this.rows = rows;
  }

  async find(groupId: Uuid, list: AccessList, device: AccessSubject): Promise<AccessEntry | undefined> {
    const { keyId, serial, subject } = device;
    const exact: DeviceSelector[] = [
      { by: 'key', value: keyId },
      ...(serial === undefined ? [] : [{ by: 'serial', value: serial } as const]),
      { by: 'subject', value: subject },
    ];
    const fitting = this.patterns.get(listName(groupId, list))?.fitting(subject) ?? [];
    for (const named of [...exact, ...fitting.map((value) => ({ by: 'subject', value }) as const)]) {
      const entry = parse<AccessEntry>(await this.rows.read(keys.access(groupId, accessKey(list, named))));
      if (entry) return entry;
    }
    return undefined;
  }

  async has(groupId: Uuid, list: AccessList): Promise<boolean> {
    const name = listName(groupId, list);
    const known = this.filled.get(name);
    if (known !== undefined) return known;
    const before = this.changes;
    const found = (await this.rows.keys({ ...under(`access!${name}`), limit: 1 })).length > 0;
    if (before === this.changes) this.filled.set(name, found);
    return found;
  }

  async page({ groupId, list, after, limit }: AccessPage): Promise<readonly AccessEntry[]> {
    if (limit <= 0) return [];
    const all = under(list === undefined ? `access!${groupId}` : `access!${listName(groupId, list)}`);
    const from = after === undefined ? all.after : keys.access(groupId, after);
    const range = { after: from > all.after ? from : all.after, before: all.before, limit };
    return (await this.rows.rows(range)).map(([, row]) => JSON.parse(row) as AccessEntry);
  }

  additions(entries: readonly AccessEntry[]): WriteOp[] {
    return entries.flatMap((entry) => {
      const { groupId, list, device } = entry;
      const key = accessKey(list, device);
      const row = put(keys.access(groupId, key), JSON.stringify(entry));
      return isPattern(device) ? [row, put(keys.accessPattern(groupId, key), JSON.stringify(device.value))] : [row];
    });
  }

  deletions(names: readonly AccessName[]): WriteOp[] {
    return names.flatMap(({ groupId, list, device }) => {
      const key = accessKey(list, device);
      const row = del(keys.access(groupId, key));
      return isPattern(device) ? [row, del(keys.accessPattern(groupId, key))] : [row];
    });
  }

  /** Once they are written: goes by them. */
  follow(entries: readonly AccessEntry[], deleted: readonly AccessName[]): void {
    if (entries.length + deleted.length === 0) return;
    this.changes++;
    for (const { groupId, list, device } of entries) {
      const name = listName(groupId, list);
      this.filled.delete(name);
      if (isPattern(device)) this.of(name).add(device.value);
    }
    for (const { groupId, list, device } of deleted) {
      const name = listName(groupId, list);
      this.filled.delete(name);
      if (isPattern(device)) this.patterns.get(name)?.remove(device.value);
    }
  }

  private of(name: string): Patterns {
    const known = this.patterns.get(name) ?? new Patterns();
    this.patterns.set(name, known);
    return known;
  }
}

interface AccessPage {
  readonly groupId: Uuid;
  readonly list?: AccessList;
  readonly after?: string;
  readonly limit: number;
}

/** Patterns by the text in front of their first `*`. */
class Patterns {
  private readonly byHead = new Map<string, Set<string>>();
  /** How many heads there are of each length. */
  private readonly lengths = new Map<number, number>();

  add(pattern: string): void {
    const head = headOf(pattern);
    const known = this.byHead.get(head);
    if (known) {
      known.add(pattern);
      return;
    }
    this.byHead.set(head, new Set([pattern]));
    this.lengths.set(head.length, (this.lengths.get(head.length) ?? 0) + 1);
  }

  remove(pattern: string): void {
    const head = headOf(pattern);
    const known = this.byHead.get(head);
    if (!known?.delete(pattern) || known.size > 0) return;
    this.byHead.delete(head);
    const left = (this.lengths.get(head.length) ?? 1) - 1;
    if (left > 0) this.lengths.set(head.length, left);
    else this.lengths.delete(head.length);
  }

  /** In order. */
  fitting(subject: string): string[] {
    const found: string[] = [];
    for (const length of this.lengths.keys()) {
      if (length > subject.length) continue;
      for (const pattern of this.byHead.get(subject.slice(0, length)) ?? [])
        if (matchesPattern(pattern, subject)) found.push(pattern);
    }
    return found.sort();
  }
}

const isPattern = ({ by, value }: DeviceSelector): boolean => by === 'subject' && value.includes('*');

const headOf = (pattern: string): string => pattern.slice(0, pattern.indexOf('*'));

const listName = (groupId: Uuid, list: string): string => `${groupId}!${list}`;
