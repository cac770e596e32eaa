import { Agent, request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Route } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes/index.ts';
import { encodePem } from '../../src/codec/pem.ts';
import { share } from '../../src/core/bytes.ts';
import { seededRandom } from '../../src/core/random.ts';
import { owners, type TokenName } from '../support/api.ts';
import { type ApiSite, openApiSite, tracesOf } from '../support/api-site.ts';
import { FuzzedValues, type SchemaNode } from '../support/fuzzed-values.ts';

const requests = 10_000;
const inFlight = 8;

let site: ApiSite;
const faults: string[] = [];
beforeAll(async () => {
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const noted = (facts: object, text: string): void => void faults.push(`${text} ${JSON.stringify(facts, errorsToo)}`);
  site = await openApiSite({ log: { ...log, error: noted } as never });
});
afterAll(() => site.close());

it('10,000 requests of any kind: nothing breaks, every answer is what it should be, and nobody learns of another owner', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  const made = new RequestMaker(Number(process.env.FUZZ_SEED ?? 1));
  const statuses = new Map<number, number>();
  const called = new Set<string>();
  // What each owner has put on access lists of its own, although it names something of the other: it may read that again.
  const listed = { acme: new Set<string>(), bolt: new Set<string>() };
  let left = requests;
  const begun = performance.now();
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const asked = made.next(site);
      const own = listed[ownerOf(asked.who)];
      const onLists = asked.route.path.endsWith('/access') || asked.route.path.endsWith('/access/import');
      for (const trace of asked.foreign) if (onLists && asked.sent.includes(trace)) own.add(trace);
      const { status, text } = await send(agent, asked);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status < 300) called.add(asked.route.id);
      // 503 says busy: somebody else was quicker, again and again.
      const broken = status >= 500 && status !== 503;
      const told = asked.foreign.filter(
        (trace) => text.includes(trace) && !asked.sent.includes(trace) && !(onLists && own.has(trace)),
      );
      if (broken || told.length > 0) {
        const { route, who, path, body } = asked;
        expect.fail(`${who} ${route.method} ${path} ${body}\n${status} ${text}\ntold: ${told}\n${faults.join('\n')}`);
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  agent.destroy();
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const counts = [...statuses].toSorted().map(([status, count]) => `${count} x ${status}`);
  process.stdout.write(`${requests} requests in ${seconds} s: ${counts.join(', ')}; ${called.size} routes succeeded\n`);
  expect(faults).toEqual([]);
  // Random requests reach what they are for.
  expect(called.size).toBeGreaterThan(35);
  expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 201, 400, 404, 409]));
}, 600_000);

interface Asked {
  readonly route: Route;
  readonly who: TokenName;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** All that the caller says: it learns nothing from hearing it again. */
  readonly sent: string;
  /** What must not be in the answer. */
  readonly foreign: readonly string[];
}

const bound = ['acmeViewer', 'acmeOperator', 'acmeAdmin', 'boltViewer', 'boltOperator', 'boltAdmin'] as const;
const admins = ['acmeAdmin', 'boltAdmin'] as const;

/** Streams have no end; revocation lists and what sets the service up are public, or not for callers of one owner. */
const fuzzed = routes.filter(({ produces }) => produces !== 'text/event-stream' && produces !== 'application/pkix-crl');

class RequestMaker {
  private readonly values: FuzzedValues;

  constructor(seed: number) {
    const random = seededRandom(seed);
    this.values = new FuzzedValues(() => share(random.bytes(4)).readUInt32BE() / 2 ** 32);
  }

  next(of: ApiSite): Asked {
    const { values } = this;
    const route = values.one(fuzzed);
    const who = route.unbound && values.chance(0.8) ? 'admin' : values.one(values.chance(0.6) ? admins : bound);
    const [own, other] = ownerOf(who) === 'acme' ? (['acme', 'bolt'] as const) : (['bolt', 'acme'] as const);
    values.foreign = textsOf(of, other);
    values.texts = [...textsOf(of, own), of.sharedHub, of.fileHub, ...common];
    const path = `${route.base ?? '/api/v1'}${route.path.replace(/\{(\w+)\}/g, () => encodeURIComponent(cut(values.text('any'), 200) || 'x'))}${this.query(route)}`;
    const headers = this.headers(route);
    const body = this.body(route);
    const sent = decodeURIComponent(path) + (body ?? '') + JSON.stringify(headers);
    return { route, who, path, headers, body, sent, foreign: who === 'admin' ? [] : tracesOf(of, other) };
  }

  private query({ query }: Route): string {
    const { values } = this;
    if (!query) return values.chance(0.05) ? '?a=b' : '';
    const made = values.of(query as SchemaNode, 0.05);
    if (typeof made !== 'object' || made === null) return '';
    const pairs = Object.entries(made).map(([key, value]) => {
      const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
      return `${encodeURIComponent(cut(key, 300))}=${encodeURIComponent(cut(text, 300))}`;
    });
    return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
  }

  private body({ body, consumes, method }: Route): string | undefined {
    const { values } = this;
    if (consumes) return `serial,note\n${values.text()},x\n${values.text()}\n`;
    if (!body) return method !== 'GET' && values.chance(0.05) ? '{}' : undefined;
    if (values.chance(0.03)) return values.one(['', '{', 'null', '[]', '"x"', '{"__proto__":{}}', '\u0000', '1e999']);
    return JSON.stringify(values.of(body as SchemaNode, values.one([0, 0, 0.02, 0.1])));
  }

  private headers({ consumes }: Route): Readonly<Record<string, string>> {
    const { values } = this;
    const type = consumes ? values.one(consumes) : 'application/json';
    const odd = ['text/html', 'application/json; charset=latin1', '*/*'];
    return {
      'content-type': values.chance(0.03) ? values.one(odd) : type,
      ...(values.chance(0.05) && { 'if-match': values.one(['"1"', '*', 'W/"1"', '"99999999999999999999"', ',']) }),
      ...(values.chance(0.05) && { 'if-none-match': values.one(['"1"', '*', ',,']) }),
      ...(values.chance(0.05) && { 'idempotency-key': values.one(['a', 'b', 'c', 'x'.repeat(300)]) }),
      ...(values.chance(0.03) && { accept: values.one(['application/protojson', 'text/plain', 'x']) }),
      ...(values.chance(0.03) && { 'last-event-id': '9-9' }),
    };
  }
}

/** By which an owner's things are named. */
function textsOf(of: ApiSite, name: 'acme' | 'bolt'): readonly string[] {
  const { group, fileGroup, hub, devices, deviceIds, serials, attempts, webhook, word, root } = of[name];
  const ids = [...Object.values(devices), ...Object.values(deviceIds), ...serials, ...Object.values(attempts)];
  const pem = encodePem('CERTIFICATE', root.der);
  return [group, fileGroup, hub, webhook, owners[name], `${word} group`, `${word} hub`, `${word}-*`, pem, ...ids];
}

const ownerOf = (who: TokenName): 'acme' | 'bolt' => (who.startsWith('bolt') ? 'bolt' : 'acme');

const common = ['coaps+tcp://a.example:1', 'https://a.example/', 'deny', 'bind', 'root'];

/** Without half a character at its end. */
const cut = (text: string, most: number): string => Array.from(text).slice(0, most).join('');

function send(agent: Agent, { route, who, path, headers, body }: Asked): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const target = new URL(site.url);
    const asked = request(
      {
        agent,
        host: target.hostname,
        port: target.port,
        method: route.method,
        path,
        headers: {
          authorization: `Bearer ${site.tokens[who]}`,
          ...headers,
          ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
        },
      },
      (answer) => {
        let text = JSON.stringify(answer.headers);
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text })).on('error', reject);
      },
    );
    asked.on('error', reject).end(body);
  });
}

const errorsToo = (_key: string, value: unknown): unknown => (value instanceof Error ? value.stack : value);
