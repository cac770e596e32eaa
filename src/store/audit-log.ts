import { failure } from '../core/errors.ts';
import { type AuditLink, auditHash, auditStart } from './audit.ts';
import { keys, put, under, type WriteOp } from './medium.ts';
import type { AuditEntry } from './model.ts';
import { parse, type Rows } from './rows.ts';
import type { AuditDraft } from './store.ts';

/** The audit log: lines that are only ever added, each one hanging on the one before. */
export class AuditLog {
  private readonly rows: Rows;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  /**
   * What to write for one more line. It hangs on the last one that is written or on its way: should that fail, everything
   * queued behind it fails too, so the chain has no gap.
   */
  addition(draft: AuditDraft): { readonly entry: AuditEntry; readonly ops: readonly WriteOp[] } {
    const { seq, hash } = this.head(this.rows.latest(keys.auditHead));
    // As it will be read: what JSON leaves out must not be in the hash.
    const plain = JSON.parse(JSON.stringify(draft)) as AuditDraft;
    const { at, actor, action, target, detail } = plain;
    const line = { seq: seq + 1, at, actor, action, target, detail, previous: hash };
    const entry: AuditEntry = { ...line, hash: auditHash(line) };
    const link: AuditLink = { seq: entry.seq, hash: entry.hash };
    return {
      entry,
      ops: [put(keys.audit(entry.seq), JSON.stringify(entry)), put(keys.auditHead, JSON.stringify(link))],
    };
  }

  async page({ after = 0, limit }: { after?: number; limit: number }): Promise<readonly AuditEntry[]> {
    if (limit <= 0) return [];
    const rows = await this.rows.rows({ after: keys.audit(after), before: under('audit').before, limit });
    return rows.map(([, row]) => JSON.parse(row) as AuditEntry);
  }

  /** @throws FirstbootError operator.audit when the line that was written last is not there any more */
  async last(): Promise<AuditEntry | undefined> {
    const { seq } = this.head(await this.rows.read(keys.auditHead));
    if (seq === 0) return undefined;
    const line = parse<AuditEntry>(this.rows.written(keys.audit(seq)));
    if (line) return line;
    throw failure('operator.audit', { seq }, 'the last line is missing: compare with a backup of the data folder');
  }

  private head(text: string | undefined): AuditLink {
    return parse<AuditLink>(text) ?? auditStart;
  }
}
