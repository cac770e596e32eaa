import { del, keys, lastPart, put, under, type WriteOp } from './medium.ts';
import type { AuditEntry } from './model.ts';
import { parse, type Rows } from './rows.ts';
import { type AuditNews, type AuditSubjects, ownerIdOf, type StoreChanges } from './store.ts';

/**
 * Which lines of the audit log no event tells of yet. The mark is written with the line, and goes with the events about it: so
 * whoever is killed in between leaves it to the next process.
 */
export class UntoldAudit {
  private readonly rows: Rows;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  /** What to write with a line. */
  addition({ entry, about }: AuditNews): WriteOp {
    return put(keys.untold(entry.seq), JSON.stringify(about));
  }

  /** What to write with the events. */
  removals(seqs: readonly number[]): readonly WriteOp[] {
    return seqs.map((seq) => del(keys.untold(seq)));
  }

  async page({ after, limit }: { readonly after?: number; readonly limit: number }): Promise<readonly AuditNews[]> {
    if (limit <= 0) return [];
    const all = under('untold');
    const from = after === undefined ? all.after : keys.untold(after);
    const rows = await this.rows.rows({ ...all, after: from, limit });
    return rows.flatMap(([key, text]) => {
      const entry = parse<AuditEntry>(this.rows.written(keys.audit(Number(lastPart(key)))));
      return entry ? [{ entry, about: JSON.parse(text) as AuditSubjects }] : [];
    });
  }
}

export function subjectsOf({ devices = [], groups = [], hubs = [] }: StoreChanges): AuditSubjects {
  const owners = new Set([
    ...devices.map(ownerIdOf),
    ...groups.map(({ owner }) => owner.id),
    ...hubs.map(({ ownerId }) => ownerId),
  ]);
  const [ownerId] = owners;
  return {
    ...(owners.size === 1 && { ownerId }),
    devices: devices.map((device) => ({ keyId: device.keyId, ownerId: ownerIdOf(device), state: device.state })),
  };
}
