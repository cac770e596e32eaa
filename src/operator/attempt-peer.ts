import type { Uuid } from '../core/ids.ts';
import { type Certificate, certificateInPem } from '../pki/certificate.ts';
import { manufacturerKeyId } from '../pki/public-key.ts';
import type { Attempt } from '../store/model.ts';

/** Who it was, as far as an attempt has it. Texts of the peer are in it as recorded: escape them for a terminal. */
export interface AttemptPeer {
  /** Of the certificate that it presented last, whether or not that was believed. */
  readonly subject: string | undefined;
  /** As text, or in hexadecimal (0x..) when it is none. */
  readonly pskIdentity: string | undefined;
  /** Of the proven key; else that of the certificate. */
  readonly keyId: Uuid | undefined;
  /** The device id that it asked with. */
  readonly deviceId: string | undefined;
  /** `host:port` of each of its sessions. */
  readonly addresses: readonly string[];
}

/** @param proved key id of its summary */
export function peerOf({ entries }: Attempt, proved: Uuid | undefined): AttemptPeer {
  const leaf = leafIn(entries);
  const stages = entries.filter((entry) => entry.type === 'stage');
  const attested = stages.findLast(({ stage }) => stage === 'attest')?.facts;
  const bound = stages.findLast(({ stage }) => stage === 'bind')?.facts;
  const addresses = entries.flatMap((entry) =>
    entry.type === 'opened' || entry.type === 'session' ? [entry.peer] : [],
  );
  return {
    subject: leaf?.subject.text,
    pskIdentity: leaf ? undefined : textOf(attested?.mechanism === 'psk' ? attested.subject : attested?.identity),
    keyId: proved ?? (leaf && manufacturerKeyId(leaf.spki)),
    deviceId: textOf(bound?.deviceId),
    addresses: [...new Set(addresses)],
  };
}

/** Subject of the first certificate of a presented chain (PEM); undefined: it is none. */
export const subjectIn = (chain: readonly string[]): string | undefined => leafOf(chain)?.subject.text;

/** Whether `part` (lower case) stands in anything that tells who it was. */
export const peerHas = ({ subject, pskIdentity, keyId, deviceId, addresses }: AttemptPeer, part: string): boolean =>
  [subject, pskIdentity, keyId, deviceId, ...addresses].some((text) => text?.toLowerCase().includes(part) === true);

function leafIn(entries: Attempt['entries']): Certificate | undefined {
  const chain = entries.findLast((entry) => entry.type === 'chain');
  return chain?.type === 'chain' ? leafOf(chain.certificates) : undefined;
}

const leafOf = ([pem]: readonly string[]): Certificate | undefined =>
  pem === undefined ? undefined : certificateInPem(pem);

const textOf = (fact: unknown): string | undefined => (typeof fact === 'string' ? fact : undefined);
