import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeCertificates } from '../../../src/codec/pem.ts';
import { parseCertificate } from '../../../src/pki/certificate.ts';
import { createDevelopmentPki, loadDevelopmentPki, writeDevelopmentPki } from '../../../src/pki/development.ts';
import { uuidOf } from '../../../src/pki/name.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const hubId = 'd03a1bb4-0a77-428c-b78c-1c46efe6a38e';
const pki = createDevelopmentPki({ devices: 3, hubId, now });
let parent: string;
let folder: string;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'firstboot-development-'));
  folder = join(parent, 'pki');
  await writeDevelopmentPki(pki, folder);
});
afterAll(async () => {
  await rm(parent, { recursive: true, force: true });
});

describe('the development PKI', () => {
  it('gives every device its own key and name, and the intermediate behind its leaf', () => {
    expect(pki.devices.map(({ name }) => name)).toEqual(['device-0001', 'device-0002', 'device-0003']);
    const leaves = pki.devices.map(({ chain }) => parseCertificate(chain[0] ?? new Uint8Array()));
    expect(leaves.map(({ subject }) => subject.commonName)).toEqual(['device-0001', 'device-0002', 'device-0003']);
    expect(new Set(leaves.map(({ spki }) => Buffer.from(spki).toString('hex'))).size).toBe(3);
    for (const { chain } of pki.devices) expect(chain[1]).toEqual(pki.manufacturer.intermediate.certificate.der);
  });

  it('has a gateway that is trusted through the identity authority and named after the hub', () => {
    const [leaf = new Uint8Array(), issuing = new Uint8Array()] = pki.gateway.chain;
    expect(uuidOf(parseCertificate(leaf).subject)).toBe(hubId);
    expect(issuing).toEqual(pki.authority.issuing.certificate.der);
    const [gateway, issuer, root] = [leaf, issuing, pki.authority.root.certificate.der].map(
      (der) => new X509Certificate(der),
    );
    expect(issuer && gateway?.checkIssued(issuer) && gateway.verify(issuer.publicKey)).toBe(true);
    expect(root && issuer?.checkIssued(root) && issuer.verify(root.publicKey)).toBe(true);
  });

  it('keeps the three authorities apart', () => {
    const anchors = [pki.manufacturer.root, pki.serviceCa, pki.authority.root].map(
      ({ certificate }) => certificate.subject.text,
    );
    expect(new Set(anchors).size).toBe(3);
  });

  it("writes device folders with exactly the files of plgd's client, each below 4096 bytes", async () => {
    for (const { name } of pki.devices) {
      const device = join(folder, 'devices', name);
      expect((await readdir(device)).toSorted()).toEqual(['dpsca.pem', 'mfgcrt.pem', 'mfgkey.pem']);
      for (const file of await readdir(device)) expect((await stat(join(device, file))).size).toBeLessThan(4096);
      expect(decodeCertificates(await readFile(join(device, 'dpsca.pem')))).toEqual([pki.serviceCa.certificate.der]);
      expect((await stat(join(device, 'mfgkey.pem'))).mode & 0o777).toBe(0o600);
    }
  });

  it('writes what certs/README.md lists, and nothing else', async () => {
    const readme = await readFile(new URL('../../../certs/README.md', import.meta.url), 'utf8');
    const listed = [...readme.matchAll(/^\| `([a-z-]+\/[^`]+\.pem)`/gm)].map(([, path = '']) => path);
    const found = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.pem'));
    const generic = found.map((path) => path.replace(/^devices\/device-\d{4}/, 'devices/<name>'));
    expect([...new Set(generic)].toSorted()).toEqual(listed.toSorted());
  });

  it('reads back what it has written', async () => {
    const back = await loadDevelopmentPki(folder, now);
    expect(back.hubId).toBe(hubId);
    expect(back.devices.map(({ name, chain }) => ({ name, chain }))).toEqual(
      pki.devices.map(({ name, chain }) => ({ name, chain })),
    );
    expect(back.service.chain).toEqual(pki.service.chain);
    expect(back.gateway.privateKey.equals(pki.gateway.privateKey)).toBe(true);
    expect(back.authority.trustAnchors).toEqual(pki.authority.trustAnchors);
    expect(back.manufacturer.intermediate.certificate.der).toEqual(pki.manufacturer.intermediate.certificate.der);
  });

  it('writes over nothing', async () => {
    await expect(writeDevelopmentPki(pki, folder)).rejects.toMatchObject({
      code: 'service.config',
      fix: expect.stringContaining('not empty'),
    });
  });
});
