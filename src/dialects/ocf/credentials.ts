import type { CborMap, CborValue } from '../../codec/cbor.ts';
import { decodePemBlock, encodeCertificates } from '../../codec/pem.ts';
import { toBase64 } from '../../core/bytes.ts';
import { type Decision, decided, FirstbootError, refused } from '../../core/errors.ts';
import type { CredentialBundle } from '../../provision/contract.ts';
import { type OcfResource, readInnerMap, readMap, readText, unread } from './resource.ts';
import { provisioningTag } from './tag.ts';

const pemEncoding = 'oic.sec.encoding.pem';

/**
 * `POST .../credentials`: `{"di", "csr": {"data": PEM text, "encoding"}}` in; the owner's pre-shared key if there is one,
 * the identity certificate with its intermediates, and the trust anchors out (plgd-device b4, plgd-service 1.7).
 */
export const credentials: OcfResource = {
  path: '/api/v1/provisioning/credentials',
  method: 'POST',
  step: 'credentials',
  async answer(session, request, now) {
    const body = readMap(request, 'required');
    if (!body.ok) return unread(body);
    const deviceId = readText(body.value, 'di');
    if (!deviceId.ok) return unread(deviceId);
    const csr = readCsr(body.value);
    if (!csr.ok) return unread(csr);
    const answer = await session.credentials({ deviceId: deviceId.value, csr: csr.value }, now);
    if (!answer.ok) return answer;
    return decided((form) => ({ creds: entriesOf(answer.value, form) }));
  },
};

/** The DER of the certificate request. */
function readCsr(body: CborMap): Decision<Uint8Array> {
  const csr = readInnerMap(body, 'csr');
  if (!csr.ok) return csr;
  const { data, encoding } = csr.value ?? {};
  if (encoding !== pemEncoding || typeof data !== 'string' || data === '') {
    const found = { encoding: typeof encoding === 'string' ? encoding.slice(0, 64) : 'none', data: typeof data };
    return refused('csr.encoding', found, `send csr.data as PEM in a text string, with csr.encoding ${pemEncoding}`);
  }
  try {
    return decided(decodePemBlock(data, 'CERTIFICATE REQUEST', 'wire'));
  } catch (error) {
    if (!(error instanceof FirstbootError)) throw error;
    return refused('csr.encoding', error.evidence, 'send csr.data as one PEM block, CERTIFICATE REQUEST');
  }
}

/** OCF credential types (OCF Security §13.2.2): 1 symmetric pair-wise key, 8 asymmetric signing key with certificate. */
const credentialType = { symmetric: 1, certificate: 8 } as const;

function entriesOf(bundle: CredentialBundle, form: 'cbor' | 'json'): readonly CborValue[] {
  const { ownerId, deviceId, ownerPsk, chain, trustAnchors } = bundle;
  return [
    ...(ownerPsk ? [symmetric(ownerId, ownerPsk.reveal(), form)] : []),
    certificate(deviceId, 'oic.sec.cred.cert', chain),
    // One anchor an entry: the device reads the dates of the last certificate of an entry only (plgd-device d).
    ...trustAnchors.map((anchor) => certificate(ownerId, 'oic.sec.cred.trustca', [anchor])),
  ];
}

function symmetric(subject: string, key: Uint8Array, form: 'cbor' | 'json'): CborMap {
  return {
    credtype: credentialType.symmetric,
    subjectuuid: subject,
    privatedata:
      form === 'cbor'
        ? { data: key, encoding: 'oic.sec.encoding.raw' }
        : { data: toBase64(key), encoding: 'oic.sec.encoding.base64' },
    tag: provisioningTag,
  };
}

const certificate = (subject: string, usage: string, chain: readonly Uint8Array[]): CborMap => ({
  credtype: credentialType.certificate,
  subjectuuid: subject,
  credusage: usage,
  publicdata: { data: encodeCertificates(chain), encoding: pemEncoding },
  tag: provisioningTag,
});
