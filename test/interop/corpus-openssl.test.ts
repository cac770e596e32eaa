import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificates, encodePem } from '../../src/codec/pem.ts';
import { chainCorpus } from '../support/corpus-chains.ts';
import { findPeer } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** `openssl verify` has to take what we take and refuse what we refuse; where it does not, the corpus says why. */
const openssl = findPeer('openssl');
const now = Math.floor(Date.now() / 1000) * 1000;
const corpus = chainCorpus(now);

describe.skipIf(openssl.missing)(`the corpus of chains before verify of ${openssl.title}`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const file = (name: string): string => join(folder.path, name);

  beforeAll(async () => {
    folder = await temporaryFolder();
    await writeFile(file('anchors.pem'), encodeCertificates(corpus.anchors));
    await writeFile(file('crls.pem'), corpus.crls.map((crl) => encodePem('X509 CRL', crl)).join(''));
  });
  afterAll(() => folder.remove());

  it.each(corpus.cases)('$name: $why', async ({ chain, expected, revocation, opensslDiffers, onTheWire }) => {
    const [leaf, ...others] = onTheWire ? chain.map(onTheWire) : chain;
    await writeFile(file('leaf.pem'), encodeCertificates(leaf ? [leaf] : []));
    await writeFile(file('others.pem'), encodeCertificates([...others, ...corpus.intermediates]));
    const output = await run([
      ...['verify', '-x509_strict', '-auth_level', '2', '-purpose', 'sslclient', '-attime', String(now / 1000)],
      ...['-no-CAfile', '-no-CApath', '-CAfile', file('anchors.pem'), '-untrusted', file('others.pem')],
      ...(revocation ? ['-crl_check_all', '-CRLfile', file('crls.pem')] : []),
      file('leaf.pem'),
    ]);
    const accepted = output.includes('leaf.pem: OK');
    const agrees = accepted === (expected === 'accepted');
    expect(agrees ? 'agrees' : 'differs', `${opensslDiffers ?? ''}\n${output}`).toBe(
      opensslDiffers === undefined ? 'agrees' : 'differs',
    );
  });
});

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('openssl', args, (_, stdout, stderr) => resolve(`${stdout}\n${stderr}`));
  });
}
