import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificates, encodePem } from '../../src/codec/pem.ts';
import { enrollmentGroup, x509Attestation } from '../../src/provision/group.ts';
import { openLevelStore } from '../../src/store/level.ts';
import { build, firstboot } from '../support/command.ts';
import { chainCorpus } from '../support/corpus-chains.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** `firstboot explain` over files, policies, a data folder, and what people give it by mistake. */
const corpus = chainCorpus(Date.now());
const attemptId = '0199c3a1-7e4c-7a52-9d3c-2f1f3a1b0c4d';
let cwd: string;
let remove: () => Promise<void>;

const chainOf = (name: string): readonly Uint8Array[] => corpus.cases.find((one) => one.name === name)?.chain ?? [];
const explain = (...args: string[]) => firstboot(['explain', ...args], { cwd });

beforeAll(async () => {
  build();
  ({ path: cwd, remove } = await temporaryFolder());
  for (const name of ['good', 'renewedIntermediateAlone', 'expired', 'incomplete']) {
    await writeFile(join(cwd, `${name}.pem`), encodeCertificates(chainOf(name)));
  }
  await writeFile(join(cwd, 'anchors.pem'), encodeCertificates(corpus.anchors));
  await writeFile(join(cwd, 'known.pem'), encodeCertificates(corpus.intermediates));
  await writeFile(
    join(cwd, 'policy.yaml'),
    [
      ...['hubs:', '  - id: d03a1bb4-0a77-428c-b78c-1c46efe6a38e', '    gateways: [coaps+tcp://hub.example.com:5684]'],
      ...['groups:', '  - name: Acme', '    owner: "1"', '    hubs: [d03a1bb4-0a77-428c-b78c-1c46efe6a38e]'],
      ...['    anchors: [anchors.pem]', '    intermediates: [known.pem]'],
    ].join('\n'),
  );
  const store = await openLevelStore(join(cwd, 'data', 'store'));
  await store.groups.put(
    enrollmentGroup({
      id: '6a0b1b1c-3a5b-4b5e-9a55-0e5c0a1d2e3f',
      name: 'Acme',
      owner: { id: 'b80c8fef-a677-5340-85fb-2c162d75df03', name: '1' },
      hubs: [],
      deny: [{ by: 'subject', value: 'O=Acme, CN=device-*' }],
      attestation: {
        x509: x509Attestation({ anchors: corpus.anchors.map((der) => encodePem('CERTIFICATE', der)) }),
      },
    }),
  );
  const [leaf] = chainOf('expired');
  const at = corpus.now - 60_000;
  await store.appendAttempt(attemptId, [
    { at, type: 'opened', transport: 'coaps', peer: '192.0.2.7:4711' },
    { at, type: 'chain', certificates: leaf ? [encodePem('CERTIFICATE', leaf)] : [] },
    {
      at,
      type: 'closed',
      verdict: 'refused',
      refusal: { code: 'attest.expired', evidence: { since: 'expired 1 day ago' }, fix: 'renew it' },
      bytesIn: 1,
      bytesOut: 2,
    },
  ]);
  await store.close();
});
afterAll(() => remove());

describe('explain', () => {
  it('says which authority has been renewed, and into which group its certificate goes', async () => {
    const { code, stdout } = await explain('renewedIntermediateAlone.pem', '-p', 'policy.yaml');
    expect(code).toBe(1);
    expect(stdout).toContain('attest.issuer-key');
    expect(stdout.replace(/\s+/g, ' ')).toContain('upload the new certificate to the enrollment group "Acme"');
    expect(stdout).toContain('the chain as presented');
    expect(stdout).toMatch(/missing: O=Acme, CN=Acme Known Intermediate CA, key id [0-9a-f]{40}/);
  });

  it('accepts what holds, for the time that it is asked for', async () => {
    expect(await explain('good.pem', '-p', 'policy.yaml')).toMatchObject({ code: 0, stderr: '' });
    const later = await explain('good.pem', '-p', 'policy.yaml', '--at', '2150-01-01', '--json');
    expect(JSON.parse(later.stdout)).toMatchObject({ event: 'explanation', verdict: 'refused' });
  });

  it('goes by the lists of a data folder', async () => {
    const { stdout, code } = await explain('good.pem', '--data', 'data', '--group', 'Acme');
    expect([code, stdout]).toEqual([1, expect.stringContaining('admit.denied')]);
  });

  it('tells why an attempt was refused, and what the policy makes of it now', async () => {
    const { stdout, code } = await explain(attemptId, '--data', 'data');
    expect(code).toBe(1);
    expect(stdout).toContain('attest.expired');
    expect(stdout).toContain('as they are now');
  });

  it('says that there is nothing to judge it by', async () => {
    const { stdout, code } = await explain('good.pem');
    expect([code, stdout]).toEqual([1, expect.stringContaining('by nothing: name a configuration')]);
  });

  it.each([
    ['a missing file', ['missing.pem'], 'ENOENT'],
    ['a file that is not PEM', ['policy.yaml'], 'no PEM'],
    ['DER', ['leaf.der'], 'openssl x509 -inform der'],
    ['a private key', ['key.pem'], 'a private key'],
    ['a certificate request', ['request.pem'], 'CERTIFICATE REQUEST'],
    ['a damaged file', ['cut.pem'], 'line'],
    ['a group that is not there', ['good.pem', '-p', 'policy.yaml', '--group', 'Other'], 'the groups are Acme'],
    ['an attempt that is not there', ['0199c3a1-7e4c-7a52-9d3c-2f1f3a1b0c4e', '--data', 'data'], 'attempt list'],
    ['an attempt without a data folder', [attemptId, '--data', 'nowhere'], 'name the data folder'],
  ])('refuses %s with what would help (command.file and the like)', async (_, args, words) => {
    const [leaf = new Uint8Array()] = chainOf('good');
    await writeFile(join(cwd, 'leaf.der'), leaf);
    await writeFile(join(cwd, 'key.pem'), '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
    await writeFile(join(cwd, 'request.pem'), encodePem('CERTIFICATE REQUEST', leaf));
    await writeFile(join(cwd, 'cut.pem'), (await readFile(join(cwd, 'good.pem'), 'utf8')).slice(0, 300));
    const { code, stderr, stdout } = await explain(...args);
    expect(code).toBeGreaterThan(0);
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('unexpected');
    expect(stdout).toBe('');
  });
});
