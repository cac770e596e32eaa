import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRevocationLists, type RevocationLists } from '../../../src/cloud/revocation-lists.ts';
import { encodePem } from '../../../src/codec/pem.ts';
import { days, hours, type Millis, minutes, type Timers } from '../../../src/core/clock.ts';
import { uuidNamespaces, uuidV5 } from '../../../src/core/ids.ts';
import { limits } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createRoot } from '../../../src/pki/authority.ts';
import { createCrl } from '../../../src/pki/revocation.ts';
import { decodeCrls, readCrl } from '../../../src/pki/revocation-list.ts';
import { x509Attestation } from '../../../src/provision/group.ts';
import { openLevelStore } from '../../../src/store/level.ts';
import type { FetchedCrl } from '../../../src/store/model.ts';
import type { Store } from '../../../src/store/store.ts';
import { SkippingTimers } from '../../support/service.ts';
import { someGroup } from '../../support/store-records.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

/** Manufacturers' lists from a real HTTP server, into a real store. */
const made = Date.now() - days(2);
const deps = { now: made, random: systemRandom, name: 'Acme' };
const [acme, other] = [createRoot('Acme Root CA', deps), createRoot('Acme Root CA', deps)];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let server: Server;
let url: string;
let answer: { status: number; body: Uint8Array; etag?: string };
let asked: (string | undefined)[];
let timers: SkippingTimers;
let lists: RevocationLists;
let changes: number;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openLevelStore(folder.path);
  answer = { status: 200, body: crl() };
  asked = [];
  server = createServer((request, response) => {
    const known = request.headers['if-none-match'];
    asked.push(known);
    if (known !== undefined && known === answer.etag) return response.writeHead(304).end();
    return response.writeHead(answer.status, answer.etag ? { etag: answer.etag } : {}).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/acme.crl`;
  timers = new SkippingTimers();
  changes = 0;
  lists = over([url]);
});
afterEach(async () => {
  await lists.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await store.close();
  await folder.remove();
});

function over(crlUrls: readonly string[], clock: Timers = timers, authorities = [acme]): RevocationLists {
  const anchors = authorities.map(({ certificate }) => encodePem('CERTIFICATE', certificate.der));
  const group = someGroup(1, { attestation: { x509: x509Attestation({ anchors, crlUrls }), psk: [], pins: [] } });
  const changed = async (): Promise<void> => {
    changes++;
  };
  return createRevocationLists({ store, groups: () => [group], changed, timers: clock, log: silentLog });
}

function crl(
  options: { issuer?: typeof acme; age?: Millis; life?: Millis; serials?: readonly string[]; number?: number } = {},
): Uint8Array {
  const { issuer = acme, age = 0, life = days(7), serials = ['0a'], number = 3 } = options;
  const thisUpdate = Math.floor((Date.now() - age) / 1000) * 1000;
  const revoked = serials.map((serial) => ({ serial, revokedAt: made }));
  return createCrl({ issuer, revoked, thisUpdate, nextUpdate: thisUpdate + life, number });
}

const row = async (at = url): Promise<FetchedCrl | undefined> => store.crls.get(uuidV5(uuidNamespaces.url, at));
const serials = (found: FetchedCrl | undefined): string[] =>
  decodeCrls(found?.pem ?? '').flatMap((der) => readCrl(der).revoked.map(({ serial }) => serial));

/** Lets the round that is due after `ms` happen. */
async function pass(ms: Millis): Promise<void> {
  timers.skip(ms);
  await new Promise((resolve) => setTimeout(resolve, 30));
  await lists.refresh();
}

describe("manufacturers' revocation lists by URL", () => {
  it('are fetched, kept in the store, and the policy is read again when they change', async () => {
    await lists.refresh();
    expect(serials(await row())).toEqual(['0a']);
    expect(await row()).toMatchObject({ url, fetchedAt: expect.any(Number) });
    expect((await row())?.error).toBeUndefined();
    expect(changes).toBe(1);
    answer.body = crl({ serials: ['0a', '0b'] });
    await pass(hours(23));
    expect([asked.length, changes]).toEqual([1, 1]);
    await pass(hours(2));
    expect(serials(await row())).toEqual(['0a', '0b']);
    expect([asked.length, changes]).toEqual([2, 2]);
  });

  it('may be PEM, which servers in the field give', async () => {
    answer.body = new TextEncoder().encode(encodePem('X509 CRL', crl()));
    await lists.refresh();
    expect(serials(await row())).toEqual(['0a']);
  });

  it('are asked for by their entity tag, and an unchanged one counts as fetched', async () => {
    answer.etag = '"one"';
    await lists.refresh();
    const first = await row();
    await pass(days(1.1));
    expect(asked).toEqual([undefined, '"one"']);
    expect((await row())?.fetchedAt).toBeGreaterThan(first?.fetchedAt ?? 0);
    expect([(await row())?.error, changes]).toEqual([undefined, 1]);
  });

  it('are fetched at half of their time when they are short-lived', async () => {
    answer.body = crl({ life: hours(4) });
    await lists.refresh();
    await pass(minutes(119));
    expect(asked).toHaveLength(1);
    await pass(minutes(2));
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['of another authority of the same name', () => ({ status: 200, body: crl({ issuer: other }) }), 'not signed by'],
    ['that is none', () => ({ status: 200, body: new TextEncoder().encode('<html>') }), 'no revocation list'],
    ['that is damaged', () => ({ status: 200, body: crl().slice(0, 80) }), 'DER'],
    ['that is empty', () => ({ status: 200, body: new Uint8Array() }), 'no revocation list'],
    ['that is too long', () => ({ status: 200, body: new Uint8Array(limits.crl.documentBytes + 1) }), 'too-large'],
    ['that is not there', () => ({ status: 404, body: new Uint8Array() }), '404'],
    ['that is older than the one before', () => ({ status: 200, body: crl({ age: days(1) }) }), 'older'],
    [
      'whose number is lower',
      () => ({ status: 200, body: crl({ age: -1000, number: 2 }) }),
      'number 2, after number 3',
    ],
    ['that is elsewhere', () => ({ status: 302, body: new Uint8Array() }), 'redirect'],
  ])('%s is not taken: the one before stays, and the reason is noted', async (_, bad, reason) => {
    await lists.refresh();
    answer = bad();
    await pass(days(1.1));
    expect(serials(await row())).toEqual(['0a']);
    expect((await row())?.error).toContain(reason);
    expect(changes).toBe(1);
    answer = { status: 200, body: crl({ serials: ['0c'] }) };
    await pass(minutes(1.1));
    expect(serials(await row())).toEqual(['0c']);
    expect((await row())?.error).toBeUndefined();
  });

  it('stay in force while the server is down, which is tried with growing pauses', async () => {
    await lists.refresh();
    const { pem, nextUpdate } = (await row()) ?? {};
    answer.status = 503;
    await pass(days(1.1));
    for (const pause of [1, 2, 4, 8, 16, 32, 60, 60]) {
      const before = asked.length;
      await pass(minutes(pause) - 5000);
      expect(asked.length).toBe(before);
      await pass(5500);
      expect(asked.length).toBe(before + 1);
    }
    expect(await row()).toMatchObject({ pem, nextUpdate, error: expect.stringContaining('503') });
  });

  it('of another authority take their place only when the URL has left the policy and come back', async () => {
    const both = () => over([url], timers, [acme, other]);
    await lists.refresh();
    answer.body = crl({ issuer: other, serials: ['0b'], number: 1 });
    await lists.stop();
    lists = both();
    await lists.refresh();
    expect(serials(await row())).toEqual(['0a']);
    expect((await row())?.error).toMatch(/in place of one of .*take the URL out of the policy/);
    await lists.stop();
    lists = over([]);
    await lists.refresh();
    expect(await row()).toBeUndefined();
    await lists.stop();
    lists = both();
    await lists.refresh();
    expect(serials(await row())).toEqual(['0b']);
  });

  it('that never came leave a row that says why', async () => {
    lists = over(['ftp://acme.example/crl', 'http://127.0.0.1:1/crl']);
    await lists.refresh();
    expect(await row('ftp://acme.example/crl')).toMatchObject({
      error: expect.stringContaining('http'),
    });
    expect(await row('http://127.0.0.1:1/crl')).toMatchObject({ error: expect.stringContaining('unreachable') });
    expect(changes).toBe(0);
  });

  it('are given up at once when the service ends', async () => {
    server.removeAllListeners('request');
    const asked = once(server, 'request');
    const working = lists.refresh();
    await asked;
    await lists.stop();
    await working;
    expect(await row()).toBeUndefined();
  });
});
