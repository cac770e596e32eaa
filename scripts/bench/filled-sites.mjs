// Services on loopback over stores of different sizes, which are the same otherwise: what a question or a page costs as the store
// grows is compared between them.
import { join } from 'node:path';
import { uuidNamespaces, uuidV5, uuidV7 } from '../../dist/core/ids.js';
import { limits } from '../../dist/core/limits.js';
import { systemRandom } from '../../dist/core/random.js';
import { developmentHub, developmentSettings } from '../../dist/development.js';
import { startService } from '../../dist/main.js';
import { loadOrCreateAuthority } from '../../dist/pki/authority.js';
import { createDevelopmentPki } from '../../dist/pki/development.js';

/** Devices of the store that others are held against. */
export const small = 1000;
/** `--large`: devices of the store that is held against it. */
export const largeOption = { standard: 100_000, least: small + 1, most: 200_000 };
export const day = 86_400_000;
export const now = Date.now();

const attemptsEach = 10;

/**
 * One service for each number of devices, its store below `folder`. `fill` puts what is known of a site into a path: `{device}`,
 * `{deviceId}`, `{attempt}`, `{hub}`, `{group}` and `{cursor}` of the second page of devices.
 * @returns {Promise<readonly { devices: number, service, token: string, fill(path: string): string }[]>} close each service
 */
export async function openSites(folder, sizes, tell) {
  const sites = [];
  for (const devices of sizes) {
    const started = performance.now();
    sites.push(await openSite(folder, devices));
    const took = ((performance.now() - started) / 1000).toFixed(1);
    tell(`${devices} devices, ${devices * attemptsEach} attempts: ${took} s to fill and open`);
  }
  return sites;
}

async function openSite(folder, devices) {
  const pki = createDevelopmentPki({ devices: 1, hubId: developmentHub.id, now });
  const settings = developmentSettings(pki);
  const groups = [0, 1, 2, 3].map((at) => ({
    ...settings.groups[0],
    id: id(`group ${at}`),
    name: `line ${at}`,
  }));
  const authorityFolder = join(folder, `authority-${devices}`);
  const authority = await loadOrCreateAuthority(authorityFolder, { now, random: systemRandom, name: 'Bench' });
  const service = await startService({
    ...settings,
    authority,
    authorityFolder,
    groups,
    data: join(folder, String(devices)),
    transports: ['tcp'],
    api: { host: '127.0.0.1', port: 0 },
  });
  await fillStore(service.store, devices, groups);
  const token = service.adminToken;
  const answer = await fetch(`${service.apiUrl}/api/v1/devices?limit=500`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { next } = await answer.json();
  const values = {
    device: keyOf(500),
    deviceId: deviceIdOf(500),
    attempt: attemptOf(500, devices),
    hub: developmentHub.id,
    group: groups[1].id,
    cursor: encodeURIComponent(next ?? ''),
  };
  return { devices, service, token, fill: (path) => path.replace(/\{(\w+)\}/g, (_, name) => values[name]) };
}

/**
 * Devices in four groups, one in 16 of them waiting, one in 15 quarantined with an alarm; a credential, ten attempts and a line of the
 * audit log each; and the numbers of the attempts' month.
 */
async function fillStore(store, devices, groups) {
  const lot = 200;
  for (let from = 0; from < devices; from += lot) {
    const some = Array.from({ length: Math.min(lot, devices - from) }, (_, k) => from + k);
    await Promise.all(
      some.flatMap((at) => [
        store.putDevice(deviceAt(at, groups)),
        store.claimDeviceId(deviceIdOf(at), keyOf(at)),
        store.addCredential(credentialAt(at, groups)),
        store.commit({ audit: approvalOf(at) }),
        ...Array.from({ length: attemptsEach }, (_, turn) =>
          store.appendAttempt(attemptOf(at, devices, turn), entriesOf(at, devices, turn, groups), keyOf(at)),
        ),
      ]),
    );
  }
  await store.addStatistics(statisticsOf(devices, groups[0].owner.id));
}

function deviceAt(at, groups) {
  const group = groups[at % groups.length];
  const pending = at % 16 === 7;
  const alarmed = at % 15 === 9;
  const seen = now - (at % 10_000) * 60_000;
  return {
    keyId: keyOf(at),
    groupId: group.id,
    ownerId: group.owner.id,
    state: pending ? 'pending' : alarmed ? 'quarantined' : 'active',
    stateSince: seen,
    deviceId: pending ? undefined : deviceIdOf(at),
    generation: pending ? 0 : 1,
    resetAllowed: false,
    flags: pending ? 0 : 15,
    retry: { failures: 0 },
    manufacturer: { subject: subjectOf(at), serial: at.toString(16) },
    hubId: pending ? undefined : developmentHub.id,
    lastPeer: '192.0.2.1:4711',
    lastSeenAt: seen,
    lineage: [{ at: seen, event: 'enrolled', facts: { group: group.name } }],
    alarms: alarmed ? [{ at: seen, kind: 'two-places', evidence: { here: '192.0.2.1', there: '192.0.2.2' } }] : [],
    createdAt: seen - day,
    updatedAt: seen,
    revision: 0,
  };
}

const credentialAt = (at, groups) => ({
  serial: (at + 0x10_000_000).toString(16),
  keyId: keyOf(at),
  groupId: groups[at % groups.length].id,
  deviceId: deviceIdOf(at),
  generation: 1,
  certificate: `-----BEGIN CERTIFICATE-----\n${'A'.repeat(700)}\n-----END CERTIFICATE-----\n`,
  notBefore: now - day,
  notAfter: now + ((at % 90) + 1) * day,
  issuedAt: now - day,
  issuerKeyId: 'f00d',
  anchors: [],
});

function entriesOf(at, devices, turn, groups) {
  const begun = startOf(at, devices, turn);
  const group = groups[at % groups.length];
  const refused = (at + turn) % 20 === 3;
  const refusal = refused && { code: codes[(at + turn) % 3], evidence: { days: 3 }, fix: 'renew it' };
  return [
    { at: begun, type: 'opened', transport: 'coaps', peer: '192.0.2.1:4711' },
    {
      at: begun + 20,
      type: 'stage',
      stage: 'attest',
      result: 'ok',
      facts: { keyId: keyOf(at), subject: subjectOf(at) },
    },
    {
      at: begun + 400,
      type: 'closed',
      verdict: refused ? 'refused' : 'provisioned',
      ...(refusal && { refusal }),
      bytesIn: 3000,
      bytesOut: 5000,
      groupId: group.id,
      ownerId: group.owner.id,
    },
  ];
}

const approvalOf = (at) => ({
  at: now - day,
  actor: { kind: 'token', name: 'admin', from: '127.0.0.1' },
  action: 'device.approve',
  target: `device ${keyOf(at)}`,
  detail: { was: 'pending', is: 'active' },
});

/** A row for each slot of the month, as a service would have added it up. */
function statisticsOf(devices, ownerId) {
  const { statisticsSlot: slot, stageBounds, runBounds } = limits.store;
  const first = Math.ceil((now - 30 * day) / slot);
  const slots = Math.floor(now / slot) - first;
  const each = (devices * attemptsEach) / slots;
  const among = (count, bounds) => [...bounds, 0].map((_, at) => Math.round((count * (at + 1)) / (2 * bounds.length)));
  const stages = ['handshake', 'attest', 'match', 'admit', 'bind', 'issue', 'authorize', 'configure'];
  return Array.from({ length: slots }, (_, at) => ({
    slot: (first + at) * slot,
    ownerId,
    verdicts: { provisioned: Math.ceil(each), refused: Math.ceil(each / 20) },
    codes: Object.fromEntries(codes.map((code) => [code, Math.ceil(each / 60)])),
    bytesIn: Math.round(3000 * each),
    bytesOut: Math.round(5000 * each),
    stages: Object.fromEntries(stages.map((stage) => [stage, among(each, stageBounds)])),
    runs: among(each, runBounds),
  }));
}

const codes = ['attest.expired', 'bind.device-id-taken', 'bind.too-many-ids'];

/** Spread over the last month, the devices one after the other and each of them ten times. */
const startOf = (at, devices, turn) =>
  now - 30 * day + Math.floor(((turn * devices + at) / (attemptsEach * devices)) * 30 * day);

const id = (name) => uuidV5(uuidNamespaces.url, name);
const keyOf = (at) => id(`key ${at}`);
const deviceIdOf = (at) => id(`device ${at}`);
const subjectOf = (at) => `CN=device-${String(at).padStart(7, '0')},O=Acme`;

/** A UUIDv7 of its own for each attempt, the same when it is asked for again. */
function attemptOf(at, devices, turn = 0) {
  const own = Buffer.from(id(`attempt ${at} ${turn}`).replaceAll('-', ''), 'hex');
  return uuidV7(startOf(at, devices, turn), { bytes: (length) => own.subarray(0, length) });
}
