import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeCertificates } from '../../src/codec/pem.ts';
import { days } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createRoot } from '../../src/pki/authority.ts';
import { endEntity } from '../support/forge.ts';
import { askDatagram, deviceRequest, paths } from '../support/raw-coap.ts';
import { RawSession } from '../support/raw-session.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

/** A device, and a policy file, that try to steer the terminal of whoever looks at them; the commands run from source. */
const program = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const { NO_COLOR: _, ...inherited } = process.env;
/** With colours, which are escape sequences too. */
const env = { ...inherited, FORCE_COLOR: '1' };
const evil = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\r';
const now = Date.now();
const root = createRoot('Acme Root', { now: now - days(2), random: systemRandom, name: 'x' });

let cwd: string;
let remove: () => Promise<void>;
let service: ChildProcess;
let said = '';

beforeAll(async () => {
  ({ path: cwd, remove } = await temporaryFolder());
  await writeFile(join(cwd, 'root.pem'), encodeCertificates([root.certificate.der]));
  const hub = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
  await writeFile(
    join(cwd, 'firstboot.yaml'),
    `data: data
port: 0
issuer: { port: 0 }
groups:
  - name: acme
    owner: acme
    anchors: [root.pem]
    hubs: [${hub}]
hubs:
  - id: ${hub}
    name: acme
    gateways: ['coaps+tcp://127.0.0.1:1']
`,
  );
  service = spawn(process.execPath, [program, 'serve', '-c', 'firstboot.yaml', '--api-port', '0'], {
    cwd,
    env,
    stdio: 'pipe',
  });
  for (const stream of [service.stdout, service.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
});
afterAll(async () => {
  if (service.exitCode === null) {
    service.kill('SIGTERM');
    await once(service, 'close');
  }
  await remove();
});

async function heard(words: RegExp): Promise<RegExpExecArray> {
  await until(() => words.test(said)).catch(() => undefined);
  const found = words.exec(said);
  if (found) return found;
  throw new Error(`${words} was not said: ${JSON.stringify(said)}`);
}

/** What is printed, by a command that need not succeed. */
const run = (...args: string[]): Promise<string> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { cwd, env }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });

/** Without our own styles there is nothing in it that a terminal acts on. */
function expectHarmless(text: string): void {
  const styles = new RegExp(`${'\u001b'}\\[(1|2|22|31|32|39)m`, 'g');
  expect(text).not.toBe('');
  expect(text.replace(styles, '').replace(/[\n\t]/g, '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
}

test('a device that has escape sequences in its subject and in its id does not reach the terminal of an operator', async () => {
  const { 1: port } = await heard(/coaps:\/\/[^\s]*:(\d+)/);
  const leaf = endEntity(root, 'Acme', now, { subject: { organization: 'Acme', commonName: `thing ${evil}` } });
  const identity = { chain: [leaf.der], privateKey: leaf.privateKey };
  const session = await (await RawSession.open({ transport: 'udp', port: Number(port), identity })).established();
  await askDatagram(session, deviceRequest(paths.time));
  await askDatagram(session, deviceRequest(paths.ownership));
  await askDatagram(session, deviceRequest(paths.cloud, { di: evil }));
  await askDatagram(session, deviceRequest(`${paths.cloud}/${evil}`));
  session.cut();
  // Says that the service has ended the attempt: the peer has gone without a word, so the service is asked to stop.
  service.kill('SIGTERM');
  await once(service, 'close');
  expect(said).toContain('not a UUID (given ?');
  expectHarmless(said);

  const attempts = await run('attempt', 'list', '--data', 'data');
  const [, id = ''] =
    /([0-9a-f]{8}-[0-9a-f-]{27})/.exec(await run('attempt', 'list', '--data', 'data', '--json')) ?? [];
  const shown = await run('attempt', 'show', id, '--data', 'data');
  expect(shown).toContain('thing');
  for (const text of [
    attempts,
    shown,
    await run('explain', id, '--data', 'data'),
    await run('device', 'list', '--data', 'data'),
    ...(await Promise.all([run('policy', 'check', '-c', 'firstboot.yaml'), run(`x${evil}`)])),
  ]) {
    expectHarmless(text);
  }
});
