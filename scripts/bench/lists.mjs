#!/usr/bin/env node
// What lists cost as the store grows: `node scripts/bench/lists.mjs [--large 100000] [--json]`, after `npm run build`. Two services of
// their own on loopback, one with 1,000 devices and 10,000 attempts, one with a hundred times as many (or --large devices and ten
// times as many attempts), are asked for the same pages in turns. It only measures: the median time of each list call in both.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uuidNamespaces, uuidV5, uuidV7 } from '../../dist/core/ids.js';
import { systemRandom } from '../../dist/core/random.js';
import { developmentHub, developmentSettings } from '../../dist/development.js';
import { startService } from '../../dist/main.js';
import { loadOrCreateAuthority } from '../../dist/pki/authority.js';
import { createDevelopmentPki } from '../../dist/pki/development.js';

const small = 1000;
const { large, json } = options(process.argv.slice(2));
const attemptsEach = 10;
const rounds = 31;
const day = 86_400_000;
const now = Date.now();

const folder = mkdtempSync(join(tmpdir(), 'firstboot-lists-'));
const sites = [];

/** Every list and count that a page of the dashboard asks for; `{…}` is filled in from the site. */
function calls() {
  return [
    '/overview',
    '/devices',
    '/devices?sort=seen',
    '/devices?sort=created',
    '/devices?state=pending',
    '/devices?state=quarantined',
    '/devices?group=line%201',
    '/devices?group=line%203&state=pending',
    '/devices?hub={hub}',
    '/devices?alarms=true',
    '/devices?text=device-0000500',
    '/devices?cursor={cursor}',
    '/devices/{device}',
    '/devices/{deviceId}',
    '/attempts',
    '/attempts?verdict=refused',
    '/attempts?code=attest.expired',
    '/attempts?code=bind',
    '/attempts?group=line%202',
    '/attempts?device={device}',
    '/attempts?text=device-0000500',
    '/attempts/{attempt}',
    '/attempts/{attempt}/explanation',
    '/credentials',
    '/credentials?expiringWithin=604800000',
    '/credentials?device={device}',
    '/groups',
    '/groups/line%201',
    '/hubs',
    '/ca',
    '/ca/horizon',
    '/audit?newest=true',
    '/events/history',
    `/statistics?since=${now - 7 * day}&step=3600000`,
    '/refusals',
    '/tokens',
    '/webhooks',
  ];
}

async function compare(path) {
  const times = [[], []];
  const rows = [];
  for (let round = 0; round < rounds; round++) {
    for (const [at, site] of sites.entries()) {
      const begun = performance.now();
      const answer = await fetch(`${site.service.apiUrl}/api/v1${site.fill(path)}`, {
        headers: { authorization: `Bearer ${site.token}` },
      });
      const text = await answer.text();
      times[at].push(performance.now() - begun);
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text}`);
      rows[at] = JSON.parse(text).items?.length;
    }
  }
  // The first ones warm up.
  const [few, many] = times.map((all) => median(all.slice(5)));
  return { path, rows, few, many, ratio: many / few };
}

async function openSite(devices) {
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
  await fill(service.store, devices, groups);
  const token = service.adminToken;
  const page = await ask(service, token, '/devices?limit=500');
  const known = {
    device: keyOf(500),
    deviceId: deviceIdOf(500),
    attempt: attemptOf(500, devices),
    hub: developmentHub.id,
  };
  const values = { ...known, cursor: encodeURIComponent(page.next ?? '') };
  return { service, token, fill: (path) => path.replace(/\{(\w+)\}/g, (_, name) => values[name]) };
}

async function ask(service, token, path) {
  const answer = await fetch(`${service.apiUrl}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } });
  return answer.json();
}

/** Devices in four groups, one in 16 of them waiting, one in 15 quarantined with an alarm; ten attempts each. */
async function fill(store, devices, groups) {
  const lot = 200;
  for (let from = 0; from < devices; from += lot) {
    const some = Array.from({ length: Math.min(lot, devices - from) }, (_, k) => from + k);
    await Promise.all(
      some.flatMap((at) => [
        store.putDevice(deviceAt(at, groups)),
        store.claimDeviceId(deviceIdOf(at), keyOf(at)),
        store.addCredential(credentialAt(at, groups)),
        ...Array.from({ length: attemptsEach }, (_, turn) =>
          store.appendAttempt(attemptOf(at, devices, turn), entriesOf(at, devices, turn, groups), keyOf(at)),
        ),
      ]),
    );
  }
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

function render(found) {
  const lines = found.map(({ path, rows: [few = '', many = ''], few: fast, many: slow, ratio }) => [
    path,
    `${few}`,
    `${many}`,
    `${fast.toFixed(2)} ms`,
    `${slow.toFixed(2)} ms`,
    `${ratio.toFixed(2)} x`,
  ]);
  const all = [
    ['GET /api/v1', `rows at ${small}`, `at ${large}`, `time at ${small}`, `at ${large}`, 'ratio'],
    ...lines,
  ];
  const widths = all[0].map((_, column) => Math.max(...all.map((line) => line[column].length)));
  return `${all
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}\n`;
}

const median = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)];

function seconds(since) {
  return ((performance.now() - since) / 1000).toFixed(1);
}

function note(text) {
  process.stderr.write(`${text}\n`);
}

function options(given) {
  const found = { large: 100_000, json: false };
  for (let at = 0; at < given.length; at++) {
    if (given[at] === '--json') found.json = true;
    else if (given[at] === '--large' && /^\d+$/.test(given[at + 1] ?? '')) found.large = Number(given[++at]);
    else found.large = 0;
  }
  if (found.large > small && found.large <= 200_000) return found;
  process.stderr.write('lists: known are --large 1001..200000 and --json\n');
  process.exit(2);
}

try {
  for (const devices of [small, large]) {
    const started = performance.now();
    sites.push(await openSite(devices));
    if (!json) note(`${devices} devices, ${devices * attemptsEach} attempts: ${seconds(started)} s to fill and open`);
  }
  const found = [];
  for (const path of calls()) found.push(await compare(path));
  process.stdout.write(json ? `${JSON.stringify(found)}\n` : render(found));
} finally {
  for (const { service } of sites) await service.close();
  rmSync(folder, { recursive: true, force: true });
}
