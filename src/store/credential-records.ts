import type { Millis } from '../core/clock.ts';
import type { Uuid } from '../core/ids.ts';
import { Counters } from './counters.ts';
import { indexChange, type OwnedCredential, startOfDay } from './credential-index.ts';
import { keys, lastPart, padded, put, under, type WriteOp } from './medium.ts';
import type { Credential, Device } from './model.ts';
import { parse, type Rows } from './rows.ts';
import { ownerIdOf, type Store } from './store.ts';

/** Issued certificates: by serial, by device, and by issuing authority those that are revoked. */
export class CredentialRecords {
  private readonly rows: Rows;
  /** Devices whose credentials are being read, and whether some of theirs were written meanwhile. */
  private readonly watches = new Set<{ readonly devices: readonly Device[]; written: boolean }>();

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
      const [, at, groupId = '', issuerKeyId = '', ownerId = ''] = key.split('!');
      return { day: Number(at), groupId, issuerKeyId, ownerId: ownerId || undefined, count: Number(count) };
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

  /**
   * For a decision about `devices`: those of their credentials that are counted for another owner from then on. `decide` is called
   * at once when there are none, and in any case before anything else is written of them.
   */
  async withMoving<T>(
    devices: readonly Device[],
    decide: (moving: readonly OwnedCredential[]) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const moving = devices.filter((device) => {
        const ownerId = this.ownerOf(device.keyId);
        return ownerId !== undefined && ownerId !== ownerIdOf(device);
      });
      if (moving.length === 0) return decide([]);
      const watch = { devices: moving, written: false };
      this.watches.add(watch);
      try {
        // What is on its way already is read, too.
        await this.rows.ended();
        const found: OwnedCredential[] = [];
        for (const device of moving) {
          const ownerId = ownerIdOf(device);
          for (const credential of await this.of(device.keyId)) found.push({ credential, ownerId });
        }
        if (!watch.written) return decide(found);
      } finally {
        this.watches.delete(watch);
      }
    }
  }

  /** What to write for new ones; undefined when a serial number is taken. @param devices that are written with them */
  additions(
    credentials: readonly Credential[],
    counters: Counters,
    devices: readonly Device[] = [],
  ): readonly WriteOp[] | undefined {
    const serials = new Set(credentials.map(({ serial }) => serial));
    if (serials.size < credentials.length) return undefined;
    if (credentials.some(({ serial }) => this.latest(serial) !== undefined)) return undefined;
    this.note(credentials);
    return [
      ...credentials.flatMap((credential) => {
        const device = devices.find(({ keyId }) => keyId === credential.keyId);
        const after = { credential, ownerId: device ? ownerIdOf(device) : this.ownerOf(credential.keyId) };
        return [row(credential), ...indexChange(undefined, after, counters)];
      }),
      ...this.turns(credentials.filter(({ revoked }) => revoked !== undefined)),
    ];
  }

  /**
   * What to write for known ones that change; undefined when one is not known, or its revocation is final (all reasons but
   * certificateHold are, RFC 5280 §5.3.1) and would be lost.
   * @param moving as `withMoving` found them
   */
  changes(
    credentials: readonly Credential[],
    counters: Counters,
    moving: readonly OwnedCredential[] = [],
  ): readonly WriteOp[] | undefined {
    const turned: Credential[] = [];
    const owners = new Map(moving.map(({ credential, ownerId }) => [credential.serial, ownerId]));
    // One that comes twice is judged twice, and written as it is in the end.
    const changed = new Map(moving.map(({ credential }) => [credential.serial, credential]));
    for (const credential of credentials) {
      const { serial } = credential;
      const before = changed.get(serial) ?? this.latest(serial);
      if (!before || (isFinal(before) && !isFinal(credential))) return undefined;
      if (!sameRevocation(before, credential)) turned.push(credential);
      changed.set(serial, credential);
    }
    this.note([...changed.values()]);
    const ops = [...changed.values()].flatMap((credential) => {
      const before = this.counted(credential.serial);
      const ownerId = owners.get(credential.serial) ?? before?.ownerId;
      return [row(credential), ...indexChange(before, { credential, ownerId }, counters)];
    });
    return [...ops, ...this.turns(turned)];
  }

  private note(credentials: readonly Credential[]): void {
    for (const watch of this.watches) {
      watch.written ||= credentials.some((one) => watch.devices.some(({ keyId }) => keyId === one.keyId));
    }
  }

  private ownerOf(keyId: Uuid): Uuid | undefined {
    const device = parse<Device>(this.rows.latest(keys.device(keyId)));
    return device && ownerIdOf(device);
  }

  /** One as it will be, and for whom it is counted. */
  private counted(serial: string): OwnedCredential | undefined {
    const credential = this.latest(serial);
    if (!credential) return undefined;
    const ownerId = this.rows.latest(keys.credentialOf(credential.keyId, credential.issuedAt, serial));
    return { credential, ownerId: ownerId || undefined };
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
