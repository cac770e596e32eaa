import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { del, keys, lastPart, put, under, type WriteOp } from './medium.ts';
import type { Credential } from './model.ts';
import { parse, type Rows } from './rows.ts';

/** Issued certificates: by serial, by device, and by issuing authority those that are revoked. */
export class CredentialRecords {
  private readonly rows: Rows;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  async add(credential: Credential): Promise<boolean> {
    const ops = this.additions([credential]);
    if (ops) await this.rows.write(ops, true);
    else await this.rows.read(keys.credential(credential.serial));
    return ops !== undefined;
  }

  async credential(serial: string): Promise<Credential | undefined> {
    return parse<Credential>(await this.rows.read(keys.credential(serial)));
  }

  async of(keyId: Uuid): Promise<readonly Credential[]> {
    return this.all((await this.rows.keys(under(`credential-of!${keyId}`))).map(lastPart));
  }

  async page({ after, limit }: { after?: string; limit: number }): Promise<readonly Credential[]> {
    if (limit <= 0) return [];
    const all = under('credential');
    const range = { after: after === undefined ? all.after : keys.credential(after), before: all.before, limit };
    return (await this.rows.rows(range)).map(([, row]) => JSON.parse(row) as Credential);
  }

  async revoked(issuerKeyId: string, at: Millis): Promise<readonly Credential[]> {
    const rows = await this.rows.rows(under(`revoked!${issuerKeyId}`));
    return this.all(rows.filter(([, notAfter]) => Number(notAfter) >= at).map(([key]) => lastPart(key)));
  }

  async revocationTurn(issuerKeyId: string): Promise<number> {
    return Number((await this.rows.read(keys.revocationTurn(issuerKeyId))) ?? 0);
  }

  async nextCrlNumber(issuerKeyId: string): Promise<number> {
    const key = keys.crlNumber(issuerKeyId);
    const next = Number(this.rows.latest(key) ?? 0) + 1;
    await this.rows.write([put(key, String(next))], true);
    return next;
  }

  async lastCrlNumber(issuerKeyId: string): Promise<number> {
    return Number((await this.rows.read(keys.crlNumber(issuerKeyId))) ?? 0);
  }

  /** What to write for new ones; undefined when a serial number is taken. */
  additions(credentials: readonly Credential[]): readonly WriteOp[] | undefined {
    const serials = new Set(credentials.map(({ serial }) => serial));
    if (serials.size < credentials.length) return undefined;
    if (credentials.some(({ serial }) => this.latest(serial) !== undefined)) return undefined;
    return [
      ...credentials.flatMap((credential) => [row(credential), ...indexed(credential).map((key) => put(...key))]),
      ...this.turns(credentials.filter(({ revoked }) => revoked !== undefined)),
    ];
  }

  /**
   * What to write for known ones that change; undefined when one is not known, or its revocation is final (all reasons but
   * certificateHold are, RFC 5280 §5.3.1) and would be lost.
   */
  changes(credentials: readonly Credential[]): readonly WriteOp[] | undefined {
    const ops: WriteOp[] = [];
    const turned: Credential[] = [];
    for (const credential of credentials) {
      const before = this.latest(credential.serial);
      if (!before || (isFinal(before) && !isFinal(credential))) return undefined;
      if (!sameRevocation(before, credential)) turned.push(credential);
      const after = indexed(credential);
      const gone = indexed(before).filter(([key]) => !after.some(([kept]) => kept === key));
      ops.push(row(credential), ...gone.map(([key]) => del(key)), ...after.map((key) => put(...key)));
    }
    return [...ops, ...this.turns(turned)];
  }

  private turns(credentials: readonly Credential[]): WriteOp[] {
    const issuers = new Set(credentials.map(({ issuerKeyId }) => issuerKeyId));
    return [...issuers].map((id) => {
      const key = keys.revocationTurn(id);
      return put(key, String(Number(this.rows.latest(key) ?? 0) + 1));
    });
  }

  private latest(serial: string): Credential | undefined {
    return parse<Credential>(this.rows.latest(keys.credential(serial)));
  }

  private all(serials: readonly string[]): readonly Credential[] {
    return serials.flatMap((serial) => parse<Credential>(this.rows.written(keys.credential(serial))) ?? []);
  }
}

const isFinal = ({ revoked }: Credential): boolean => revoked !== undefined && revoked.reason !== 'certificateHold';

const sameRevocation = ({ revoked: a }: Credential, { revoked: b }: Credential): boolean =>
  a?.at === b?.at && a?.reason === b?.reason;

const row = (credential: Credential): WriteOp => put(keys.credential(credential.serial), JSON.stringify(credential));

const indexed = ({ serial, keyId, issuedAt, issuerKeyId, notAfter, revoked }: Credential): [string, string][] => [
  [keys.credentialOf(keyId, issuedAt, serial), ''],
  ...(revoked ? ([[keys.revoked(issuerKeyId, serial), String(notAfter)]] satisfies [string, string][]) : []),
];
