import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Identity, Trust } from '../../../src/secure/association.ts';
import { createSecureContext, engineStatistics } from '../../../src/secure/engine.ts';
import {
  identityOf,
  keyUsage,
  type Made,
  makeCertificate,
  makeCrl,
  makePki,
  type TestPki,
  testTime,
  usage,
} from '../../support/chains.ts';
import { alertsOf, eventOf, Wire } from '../../support/wire.ts';

let pki: TestPki;

beforeAll(async () => {
  pki = await makePki();
});

const variants = [
  { transport: 'datagram', maxVersion: '1.2' },
  { transport: 'stream', maxVersion: '1.2' },
  { transport: 'stream', maxVersion: '1.3' },
] as const;

/** A client with this identity against a server with this trust. */
function meet(variant: (typeof variants)[number], identity: Identity | undefined, trust: Partial<Trust> = {}): Wire {
  const server = createSecureContext({
    transport: variant.transport,
    role: 'server',
    clock: 'simulated',
    identity: identityOf(pki.server, pki.intermediate),
    trust: { anchors: [pki.root.der], purpose: 'client', ...trust },
  });
  const client = createSecureContext({
    ...variant,
    role: 'client',
    clock: 'simulated',
    trust: { anchors: [pki.root.der], purpose: 'server' },
    ...(identity && { identity }),
  });
  return new Wire(server, client).run();
}

const day = 86_400_000;

/** What the client presents, what the record says (depth:code), and the alert that goes out. */
const cases: readonly {
  readonly name: string;
  readonly present: () => Promise<Identity>;
  readonly trust?: () => Promise<Partial<Trust>>;
  readonly findings: readonly string[];
  readonly alert: string;
}[] = [
  {
    name: 'an expired certificate',
    present: async () => identityOf(await leaf({ notAfter: new Date(testTime - day / 2) }), pki.intermediate),
    findings: ['0:CERT_HAS_EXPIRED'],
    alert: 'certificate_expired',
  },
  {
    name: 'a certificate that is not valid yet',
    present: async () => identityOf(await leaf({ notBefore: new Date(testTime + day) }), pki.intermediate),
    findings: ['0:CERT_NOT_YET_VALID'],
    alert: 'bad_certificate',
  },
  {
    name: 'a chain of an unknown authority',
    present: async () => {
      const other = await makePki();
      return identityOf(other.client, other.intermediate);
    },
    findings: ['1:UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    alert: 'unknown_ca',
  },
  {
    name: 'a chain without its intermediate',
    present: async () => identityOf(pki.client),
    findings: ['0:UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    alert: 'unknown_ca',
  },
  {
    name: 'a self-signed certificate',
    present: async () => identityOf(await makeCertificate({ subject: 'CN=alone', usages: [usage.clientAuth] })),
    findings: ['0:DEPTH_ZERO_SELF_SIGNED_CERT'],
    alert: 'unknown_ca',
  },
  {
    name: 'a certificate for servers only',
    present: async () => identityOf(await leaf({ usages: [usage.serverAuth] }), pki.intermediate),
    findings: ['0:INVALID_PURPOSE'],
    alert: 'unsupported_certificate',
  },
  {
    name: 'a certificate for another use beside the OCF one that may not sign',
    present: async () =>
      identityOf(
        await leaf({ usages: [usage.ocf, usage.codeSigning], keyUsage: keyUsage.keyEncipherment }),
        pki.intermediate,
      ),
    findings: ['0:INVALID_PURPOSE'],
    alert: 'unsupported_certificate',
  },
  {
    name: 'a revoked certificate',
    present: async () => identityOf(pki.client, pki.intermediate),
    trust: async () => ({ crls: [await makeCrl(pki.intermediate, [pki.client])] }),
    findings: ['0:CERT_REVOKED'],
    alert: 'certificate_revoked',
  },
  {
    name: 'an RSA key of 1024 bits',
    present: async () => identityOf(await leaf({ key: 'RSA-1024' }), pki.intermediate),
    findings: ['0:EE_KEY_TOO_SMALL'],
    alert: 'bad_certificate',
  },
  {
    name: 'a SHA-1 signature',
    present: async () => identityOf(await leaf({ hash: 'SHA-1' }), pki.intermediate),
    findings: ['0:CA_MD_TOO_WEAK'],
    alert: 'bad_certificate',
  },
  {
    name: 'an issuer that is no authority',
    present: async () => {
      const issuer = await leaf({});
      return identityOf(
        await makeCertificate({ subject: 'CN=below', issuer, usages: [usage.clientAuth] }),
        issuer,
        pki.intermediate,
      );
    },
    findings: ['1:INVALID_CA', '1:INVALID_PURPOSE', '2:PATH_LENGTH_EXCEEDED', '1:KEYUSAGE_NO_CERTSIGN'],
    alert: 'unknown_ca',
  },
  {
    name: 'everything wrong at once',
    present: async () => {
      const root = await makeCertificate({ subject: 'CN=Other Root', ca: true });
      return identityOf(
        await makeCertificate({
          subject: 'CN=worse',
          issuer: root,
          notAfter: new Date(testTime - 1),
          usages: [usage.codeSigning],
        }),
      );
    },
    findings: ['0:UNABLE_TO_GET_ISSUER_CERT_LOCALLY', '0:INVALID_PURPOSE', '0:CERT_HAS_EXPIRED'],
    alert: 'unknown_ca',
  },
];

const leaf = (spec: Partial<Parameters<typeof makeCertificate>[0]>): Promise<Made> =>
  makeCertificate({ subject: 'CN=device', issuer: pki.intermediate, usages: [usage.clientAuth], ...spec });

describe.each(variants)('over a $transport with $maxVersion', (variant) => {
  it.each(cases)(
    '$name is refused with its alert and its findings on record',
    async ({ present, trust, findings, alert }) => {
      const identity = await present();
      const wire = meet(variant, identity, await trust?.());
      const end = eventOf(wire.serverEvents, 'closed')?.end;
      if (end?.reason !== 'refused') throw new Error(`it ended as ${JSON.stringify(end)}`);
      expect(end.error).toBe('certificate verify failed');
      expect(end.peer?.errors.map(({ depth, code }) => `${depth}:${code}`)).toEqual(findings);
      expect(end.peer?.presented).toEqual(identity.chain);
      expect(end.peer?.errors[0]?.certificate).toEqual(end.peer?.presented[end.peer.errors[0]?.depth ?? 9]);
      expect(alertsOf(wire.serverEvents, 'sent')).toEqual([alert]);
      expect(alertsOf(wire.clientEvents, 'received')).toEqual([alert]);
      expect(eventOf(wire.clientEvents, 'closed')?.end.reason).toBe('refused');
      expect(engineStatistics().sessions).toBe(0);
    },
  );

  it('no certificate at all is refused with the alert of the version', () => {
    const wire = meet(variant, undefined);
    expect(eventOf(wire.serverEvents, 'closed')?.end).toEqual({
      reason: 'refused',
      error: 'peer did not return a certificate',
      peer: undefined,
    });
    const alert = variant.maxVersion === '1.3' ? 'certificate_required' : 'handshake_failure';
    expect(alertsOf(wire.serverEvents, 'sent')).toEqual([alert]);
    expect(alertsOf(wire.clientEvents, 'received')).toEqual([alert]);
  });

  it('a server that the client does not trust is refused by the client', async () => {
    const other = await makePki();
    const server = createSecureContext({
      transport: variant.transport,
      role: 'server',
      clock: 'simulated',
      identity: identityOf(other.server, other.intermediate),
    });
    const client = createSecureContext({
      ...variant,
      role: 'client',
      clock: 'simulated',
      trust: { anchors: [pki.root.der], purpose: 'server' },
    });
    const wire = new Wire(server, client).run();
    expect(eventOf(wire.clientEvents, 'closed')?.end).toMatchObject({
      reason: 'refused',
      error: 'certificate verify failed',
    });
    expect(alertsOf(wire.serverEvents, 'received')).toEqual(['unknown_ca']);
  });

  it('a finding that some policy tolerates passes and stays on record', async () => {
    const expired = await leaf({ notAfter: new Date(testTime - 1) });
    const wire = meet(variant, identityOf(expired, pki.intermediate), { tolerate: ['CERT_HAS_EXPIRED'] });
    const peer = eventOf(wire.serverEvents, 'established')?.session.peer;
    expect(peer?.errors.map(({ code, text }) => [code, text])).toEqual([
      ['CERT_HAS_EXPIRED', 'certificate has expired'],
    ]);
    wire.abort();
  });

  it('an expired certificate of an unknown authority does not pass because expiry is tolerated', async () => {
    const other = await makePki();
    const expired = await makeCertificate({
      subject: 'CN=x',
      issuer: other.intermediate,
      notAfter: new Date(testTime - 1),
    });
    const wire = meet(variant, identityOf(expired, other.intermediate), { tolerate: ['CERT_HAS_EXPIRED'] });
    expect(alertsOf(wire.serverEvents, 'sent')).toEqual(['unknown_ca']);
  });

  it('dates are not judged where they are to be ignored', async () => {
    const expired = await leaf({ notAfter: new Date(testTime - 1) });
    const wire = meet(variant, identityOf(expired, pki.intermediate), { dates: 'ignore' });
    expect(eventOf(wire.serverEvents, 'established')?.session.peer?.errors).toEqual([]);
    wire.abort();
  });

  it.each(['sha256', 'sha384'])(
    'a %s fingerprint of any presented certificate lets a failed chain pass',
    async (digest) => {
      const other = await makePki();
      const fingerprint = createHash(digest).update(other.intermediate.der).digest();
      const wire = meet(variant, identityOf(other.client, other.intermediate), { fingerprints: [fingerprint] });
      expect(eventOf(wire.serverEvents, 'established')?.session.peer?.errors.length).toBeGreaterThan(0);
      wire.abort();
      const wrong = meet(variant, identityOf(other.client, other.intermediate), {
        fingerprints: [Buffer.alloc(fingerprint.length)],
      });
      expect(alertsOf(wrong.serverEvents, 'sent')).toEqual(['unknown_ca']);
    },
  );

  it('a device certificate with the OCF usage alone passes', async () => {
    const ocf = await leaf({ usages: [usage.ocf] });
    const wire = meet(variant, identityOf(ocf, pki.intermediate));
    expect(eventOf(wire.serverEvents, 'established')?.session.peer?.errors).toEqual([]);
    wire.abort();
  });

  it('a leaf alone passes when its intermediate is known here', () => {
    const wire = meet(variant, identityOf(pki.client), { intermediates: [pki.intermediate.der] });
    const peer = eventOf(wire.serverEvents, 'established')?.session.peer;
    expect(peer?.presented).toHaveLength(1);
    expect(peer?.path).toHaveLength(3);
    wire.abort();
  });

  it('a chain over the limit is refused', async () => {
    const padded = await leaf({ padding: 17 * 1024 });
    const wire = meet(variant, identityOf(padded, pki.intermediate));
    expect(eventOf(wire.serverEvents, 'closed')?.end).toMatchObject({ reason: 'refused' });
    expect(eventOf(wire.serverEvents, 'established')).toBeUndefined();
    wire.abort();
  });
});
