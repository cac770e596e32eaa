import { toHex } from '../core/bytes.ts';
import { failure } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { certificateInPem } from '../pki/certificate.ts';
import type { ClosedRow } from './attempt-index.ts';
import { keys, put, under, type WriteOp } from './medium.ts';
import type { Credential, Device, EnrollmentGroup, Hub } from './model.ts';
import { rebuildCredentialIndexes, rebuildIndexes } from './rebuild.ts';
import { parse, type Rows } from './rows.ts';
import type { Counted } from './statistics-sum.ts';

const schemaVersion = '4';

/** Those that can be brought to it. */
const older = ['1', '2', '3'] as const;

/**
 * Checks whose data this is, brings it to the present schema and counts the opening.
 * @returns how often the store has been opened
 * @throws FirstbootError service.store when another program or a newer firstboot has written it
 */
export async function beginStore(rows: Rows, folder: string): Promise<number> {
  const schema = rows.written(keys.schema);
  if (schema === undefined && (await rows.keys({ after: '', before: '\uffff', limit: 1 })).length > 0) {
    throw failure('service.store', { folder }, 'the folder holds a database of another program; choose an empty one');
  }
  const from = older.find((version) => version === schema);
  if (from !== undefined) await renew(rows, from);
  else if (schema !== undefined && schema !== schemaVersion) {
    const fix = 'a newer firstboot wrote this store; run that version, or use another folder';
    throw failure('service.store', { folder, schema, known: schemaVersion }, fix);
  }
  const epoch = Number(rows.written(keys.epoch) ?? 0) + 1;
  await rows.write([put(keys.schema, schemaVersion), put(keys.epoch, String(epoch))], true);
  return epoch;
}

/**
 * Gives every record what the present schema has beside it. A record that is through already stays as it is, and the number of
 * the schema is written last: a process that is killed in the middle leaves the rest to the next one.
 */
async function renew(rows: Rows, schema: (typeof older)[number]): Promise<void> {
  await rewrite(rows, 'statistics', finer);
  if (schema === '3') return rebuildCredentialIndexes(rows);
  await complete(rows, schema);
  await rebuildIndexes(rows);
}

/** What schema 3 had already. */
async function complete(rows: Rows, schema: '1' | '2'): Promise<void> {
  if (schema === '1') {
    await rewrite(rows, 'group', group);
    await rewrite(rows, 'hub', (hub: Hub): Hub => ({ ...hub, source: hub.source ?? 'file' }));
    await rewrite(rows, 'device', device);
    await rewrite(rows, 'credential', (one: Credential) => credential(one, rows));
  }
  await rewrite(rows, 'group', (one: EnrollmentGroup) => ({ ...one, revision: one.revision ?? 1 }));
  await rewrite(rows, 'hub', (one: Hub) => ({ ...one, revision: one.revision ?? 1 }));
  await rewrite(rows, 'summary', (closed: ClosedRow, id) => placed(closed, id, rows), '!closed');
}

/** @param ending of the keys of those that are meant */
async function rewrite<T>(rows: Rows, kind: string, renewed: (row: T, id: string) => T, ending = ''): Promise<void> {
  for await (const page of rows.pages(under(kind))) {
    const ops = page.flatMap(([key, text]): WriteOp[] => {
      const [, id = ''] = key.split('!');
      const next = key.endsWith(ending) ? JSON.stringify(renewed(JSON.parse(text) as T, id)) : text;
      return next === text ? [] : [put(key, next)];
    });
    await rows.write(ops, false);
  }
}

/** Schema 3 counted what took a millisecond or less together: that is where those counts stay. */
function finer(row: Counted): Counted {
  const wanted = limits.store.stageBounds.length + 1;
  const stages = Object.entries(row.stages).map(([stage, counts]) => [
    stage,
    [...new Array<number>(Math.max(0, wanted - counts.length)).fill(0), ...counts],
  ]);
  return { ...row, stages: Object.fromEntries(stages) };
}

/** Fields that schema 1 did not have: whatever is there already counts. */
type Old<T> = Partial<T>;

function group(row: EnrollmentGroup & { readonly identityLife?: number }): EnrollmentGroup {
  const { identityLife, ...present } = row;
  const { x509, psk, pins } = present.attestation as Old<EnrollmentGroup['attestation']>;
  const old = {
    source: 'file',
    admission: 'auto',
    allow: [],
    deny: [],
    deviceIds: { type: 'own' },
    certificate: {
      keys: ['P-256', 'P-384'],
      life: identityLife ?? limits.pki.identityDays,
      usages: ['clientAuth', 'serverAuth', 'ocfIdentity'],
    },
    allocation: { type: 'first' },
    reprovisioning: 'migrate',
    clones: 'alarm',
  } satisfies Old<EnrollmentGroup>;
  return {
    ...old,
    ...present,
    attestation: {
      x509: x509 && { ...{ leads: [], crlUrls: [] }, ...x509 },
      psk: (psk ?? []).map((one) => ({ ...{ derived: false }, ...one })),
      pins: pins ?? [],
    },
  };
}

function device(row: Device): Device {
  const old = {
    state: 'active',
    stateSince: row.createdAt,
    resetAllowed: false,
    lineage: [],
    alarms: [],
  } satisfies Old<Device>;
  const { certificate } = row.manufacturer;
  const serial =
    row.manufacturer.serial ?? (certificate === undefined ? undefined : certificateInPem(certificate)?.serial);
  return { ...old, ...row, manufacturer: { ...row.manufacturer, serial } };
}

/** Its authority is named by the certificate itself. */
function credential(row: Credential, rows: Rows): Credential {
  const authority = certificateInPem(row.certificate)?.authorityKeyId;
  const old = {
    groupId: parse<Device>(rows.written(keys.device(row.keyId)))?.groupId ?? '',
    issuerKeyId: authority ? toHex(authority) : '',
    anchors: [],
  } satisfies Old<Credential>;
  return { ...old, ...row };
}

/**
 * Schema 2 did not say of a closed attempt in which group it was and whose. As its device is there now, it was since it last
 * went to another one.
 */
function placed(closed: ClosedRow, id: string, rows: Rows): ClosedRow {
  const device = parse<Device>(rows.written(keys.device(rows.written(keys.attemptFiled(id)) ?? '')));
  const moved = device?.lineage.findLast(({ event }) => event === 'group' || event === 'owner');
  if (!device || closed.groupId !== undefined || closed.at < (moved?.at ?? 0)) return closed;
  return { ...closed, groupId: device.groupId, ownerId: device.ownerId };
}
