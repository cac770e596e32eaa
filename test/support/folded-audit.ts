import { auditFault, auditStart } from '../../src/store/audit.ts';
import type { AuditEntry, RevocationReason } from '../../src/store/model.ts';

/** What must be on record if every line of the audit log was carried out in full, and nothing else was. */
export interface Folded {
  readonly devices: ReadonlyMap<string, FoldedDevice>;
  /** By serial: whose it is and how it is revoked. */
  readonly credentials: ReadonlyMap<string, { readonly keyId: string; readonly revoked: RevocationReason | undefined }>;
  /** By device id: the key that has it. */
  readonly claims: ReadonlyMap<string, string>;
  readonly groups: ReadonlyMap<
    string,
    { readonly admission: string; readonly enabled: boolean; readonly listed: number }
  >;
  /** By id: where it is. */
  readonly hubs: ReadonlyMap<string, 'first place' | 'elsewhere'>;
  /** `action target`, as often as it is in the log. */
  readonly lines: readonly string[];
}

interface FoldedDevice {
  readonly state: string;
  readonly alarms: number;
  readonly resetAllowed: boolean;
  readonly owner: string | undefined;
  readonly successor: string | undefined;
}

/** Folds the lines that test/support/operator-worker.ts leaves. @throws when the chain of hashes is broken */
export function foldAudit(log: readonly AuditEntry[]): Folded {
  const fold = new Fold();
  let before: Pick<AuditEntry, 'seq' | 'hash'> = auditStart;
  for (const line of log) {
    const fault = auditFault(before, line);
    if (fault) throw new Error(`line ${line.seq}: ${fault.fault}`);
    before = line;
    fold.take(line);
  }
  return fold;
}

const ends: Readonly<Record<string, RevocationReason | undefined>> = {
  'device.quarantine': 'certificateHold',
  'device.disable': 'certificateHold',
  'device.reject': 'certificateHold',
  'device.decommission': 'cessationOfOperation',
};

class Fold implements Folded {
  readonly devices = new Map<string, FoldedDevice>();
  readonly credentials = new Map<string, { keyId: string; revoked: RevocationReason | undefined }>();
  readonly claims = new Map<string, string>();
  readonly groups = new Map<string, { admission: string; enabled: boolean; listed: number }>();
  readonly hubs = new Map<string, 'first place' | 'elsewhere'>();
  readonly lines: string[] = [];

  take({ action, target, detail }: AuditEntry): void {
    this.lines.push(`${action} ${target}`);
    const [kind = '', id = ''] = target.split(' ');
    const texts = (name: string): string[] => (Array.isArray(detail[name]) ? detail[name].map(String) : []);
    if (kind === 'hub' && action === 'hub.delete') this.hubs.delete(id);
    else if (kind === 'hub') this.hubs.set(id, action === 'hub.update' ? 'elsewhere' : 'first place');
    if (kind === 'policy') this.takeLoad(detail);
    if (kind === 'group') this.takeGroup(action, id, Number(detail.added));
    if (kind !== 'device') return;
    if (action === 'test.enroll') {
      for (const serial of texts('serials')) this.credentials.set(serial, { keyId: id, revoked: undefined });
      this.claims.set(String(detail.deviceId), id);
      this.devices.set(id, { ...nobody, state: 'pending', alarms: 1 });
    } else if (action === 'credential.revoke') {
      this.revoke(texts('serials'), detail.reason as RevocationReason);
    } else if (action === 'credential.release') {
      this.revoke(texts('serials'), undefined);
    } else if (action === 'device.rekey') {
      this.takeRekey(id, String(detail.to));
    } else {
      this.revoke(texts('credentials'), ends[action]);
      this.change(id, {
        ...(typeof detail.to === 'string' && { state: detail.to }),
        ...changeOf(action, detail.owner),
      });
    }
  }

  private takeGroup(action: string, id: string, added: number): void {
    const group = this.groups.get(id) ?? { admission: 'auto', enabled: true, listed: 0 };
    if (action === 'group.delete') this.groups.delete(id);
    else if (action === 'group.update') this.groups.set(id, { ...group, admission: 'manual' });
    else if (action === 'group.disable') this.groups.set(id, { ...group, enabled: false });
    else if (action === 'group.enable') this.groups.set(id, { ...group, enabled: true });
    else if (action === 'access.import') this.groups.set(id, { ...group, listed: group.listed + added });
    else if (action === 'access.add') this.groups.set(id, { ...group, listed: group.listed + 1 });
    else if (action === 'access.remove') this.groups.set(id, { ...group, listed: group.listed - 1 });
    else this.groups.set(id, group);
  }

  /** Groups and hubs of files have their id for a name, too. */
  private takeLoad({ groups, hubs }: AuditEntry['detail']): void {
    for (const id of namesIn(groups, 'removed')) this.groups.delete(id);
    for (const id of namesIn(groups, 'added')) this.groups.set(id, { admission: 'auto', enabled: true, listed: 0 });
    for (const id of namesIn(hubs, 'removed')) this.hubs.delete(id);
    for (const id of namesIn(hubs, 'added')) this.hubs.set(id, 'first place');
  }

  private takeRekey(from: string, to: string): void {
    const before = this.devices.get(from) ?? nobody;
    this.devices.set(to, { ...before, resetAllowed: true, successor: undefined });
    this.change(from, { state: 'decommissioned', successor: to });
    const own = [...this.credentials].filter(([, { keyId, revoked }]) => keyId === from && revoked === undefined);
    this.revoke(
      own.map(([serial]) => serial),
      'superseded',
    );
    for (const [deviceId, keyId] of this.claims) if (keyId === from) this.claims.set(deviceId, to);
  }

  private revoke(serials: readonly string[], revoked: RevocationReason | undefined): void {
    for (const serial of serials) {
      const credential = this.credentials.get(serial);
      if (credential) this.credentials.set(serial, { ...credential, revoked });
    }
  }

  private change(id: string, changes: Partial<FoldedDevice>): void {
    this.devices.set(id, { ...(this.devices.get(id) ?? nobody), ...changes });
  }
}

const namesIn = (rows: unknown, which: 'added' | 'removed'): readonly string[] =>
  (rows as Readonly<Record<typeof which, readonly string[]>>)[which];

const nobody: FoldedDevice = {
  state: 'unknown',
  alarms: 0,
  resetAllowed: false,
  owner: undefined,
  successor: undefined,
};

function changeOf(action: string, owner: unknown): Partial<FoldedDevice> {
  if (action === 'device.clear-alarms') return { alarms: 0 };
  if (action === 'device.allow-reset') return { resetAllowed: true };
  if (action === 'device.transfer') return { owner: String(owner), resetAllowed: true };
  if (action === 'device.decommission') return { resetAllowed: false };
  return {};
}
