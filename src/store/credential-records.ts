import { days, type Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { Counters } from './counters.ts';
import { del, keys, lastPart, padded, put, under, type WriteOp } from './medium.ts';
import type { Credential } from './model.ts';
import { parse, type Rows } from './rows.ts';
import type { Store } from './store.ts';

/** Issued certificates: by serial, by device, and by issuing authority those that are revoked. */
export class CredentialRecords {
  private readonly rows: Rows;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  async add(credential: Credential): Promise<boolean> {
    const counters = new Counters(this.rows);
    const ops = this.additions([credential], counters);
    if (ops) await this.rows.write([...ops, ...counters.writes()], true);
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

  byEnd({
    since,
    until,
    after,
    limit,
  }: Parameters<Store['credentialsByEnd']>[0]): ReturnType<Store['credentialsByEnd']> {
    const [first, from] = [keys.expires(Math.max(0, since), ''), `expires!${after ?? ''}`];
    const range = {
      after: from > first ? from : first,
      before: until === undefined ? under('expires').before : keys.expires(Math.max(0, until), ''),
      limit,
    };
    return this.rows.named(range, (key) => {
      const credential = parse<Credential>(this.rows.written(keys.credential(lastPart(key))));
      // It may have been revoked since the index was read.
      if (!credential || credential.revoked) return undefined;
      return { credential, cursor: key.slice('expires!'.length) };
    });
  }

  async expiryCounts({
    since,
    until,
    revoked = false,
  }: Parameters<Store['expiryCounts']>[0]): ReturnType<Store['expiryCounts']> {
    const kind = revoked ? 'revoked-count' : 'expiry-count';
    const day = startOfDay(Math.max(0, since));
    const range = { after: `${kind}!${padded(day)}`, before: `${kind}!${padded(Math.max(0, until))}` };
    return (await this.rows.rows(range)).map(([key, count]) => {
      const [, at, groupId = '', issuerKeyId = ''] = key.split('!');
      return { day: Number(at), groupId, issuerKeyId, count: Number(count) };
    });
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
  additions(credentials: readonly Credential[], counters: Counters): readonly WriteOp[] | undefined {
    const serials = new Set(credentials.map(({ serial }) => serial));
    if (serials.size < credentials.length) return undefined;
    if (credentials.some(({ serial }) => this.latest(serial) !== undefined)) return undefined;
    return [
      ...credentials.flatMap((credential) => [row(credential), ...indexChange(undefined, credential, counters)]),
      ...this.turns(credentials.filter(({ revoked }) => revoked !== undefined)),
    ];
  }

  /**
   * What to write for known ones that change; undefined when one is not known, or its revocation is final (all reasons but
   * certificateHold are, RFC 5280 §5.3.1) and would be lost.
   */
  changes(credentials: readonly Credential[], counters: Counters): readonly WriteOp[] | undefined {
    const ops: WriteOp[] = [];
    const turned: Credential[] = [];
    // One that comes twice is changed twice.
    const changed = new Map<string, Credential>();
    for (const credential of credentials) {
      const { serial } = credential;
      const before = changed.get(serial) ?? this.latest(serial);
      if (!before || (isFinal(before) && !isFinal(credential))) return undefined;
      if (!sameRevocation(before, credential)) turned.push(credential);
      ops.push(row(credential), ...indexChange(before, credential, counters));
      changed.set(serial, credential);
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

/** What to write beside one that changes: only what changes for the indexes, too. */
function indexChange(before: Credential | undefined, after: Credential, counters: Counters): readonly WriteOp[] {
  if (before) counters.add(expiryKey(before), -1);
  counters.add(expiryKey(after), 1);
  const [gone, come] = [before ? credentialIndex(before) : [], credentialIndex(after)];
  return [
    ...gone.filter(([key]) => !come.some(([kept]) => kept === key)).map(([key]) => del(key)),
    ...come.filter(([key]) => !gone.some(([kept]) => kept === key)).map((entry) => put(...entry)),
  ];
}

/** Under which keys the indexes have a credential, and with which values. */
export const credentialIndex = (credential: Credential): readonly (readonly [key: string, value: string])[] => {
  const { serial, keyId, issuedAt, issuerKeyId, notAfter, revoked } = credential;
  return [
    [keys.credentialOf(keyId, issuedAt, serial), ''],
    revoked ? [keys.revoked(issuerKeyId, serial), String(notAfter)] : [keys.expires(notAfter, serial), ''],
  ];
};

/** The counter of credentials that end like this one, revoked or not like it. */
export const expiryKey = ({ notAfter, groupId, issuerKeyId, revoked }: Credential): string =>
  (revoked ? keys.revokedCount : keys.expiryCount)(startOfDay(notAfter), groupId, issuerKeyId);

const startOfDay = (at: Millis): Millis => Math.floor(at / days(1)) * days(1);
