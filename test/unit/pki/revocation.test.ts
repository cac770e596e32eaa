import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DerReader } from '../../../src/codec/der.ts';
import { contextTag, tags } from '../../../src/codec/der-tags.ts';
import { days } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { createRoot } from '../../../src/pki/authority.ts';
import { serialText } from '../../../src/pki/certificate.ts';
import { readExtensions } from '../../../src/pki/extension.ts';
import { createCrl } from '../../../src/pki/revocation.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const issuer = createRoot('Root', { now, random: systemRandom, name: 'Test' });
const options = { issuer, thisUpdate: now, nextUpdate: now + days(7), number: 3 };

describe('a revocation list', () => {
  it('names its issuer, its dates and what is revoked, and is signed', () => {
    const revoked = [{ serial: '80ff', revokedAt: now - days(1) }];
    const { list, signature, tbs } = open(createCrl({ ...options, revoked }));
    list.smallInteger('version');
    list.any('algorithm');
    expect(list.any('issuer').encoded).toEqual(issuer.certificate.subject.der);
    expect([list.time('thisUpdate'), list.time('nextUpdate')]).toEqual([now, now + days(7)]);
    const entries = list.sequenceOf('revoked', (items) => {
      const entry = items.sequence('entry');
      return [serialText(entry.integer('serial')), entry.time('date')];
    });
    expect(entries).toEqual([['80ff', now - days(1)]]);
    const { extensions, authorityKeyId } = readExtensions(list, contextTag(0, 'constructed'));
    expect(extensions.map(({ oid }) => oid)).toEqual(['2.5.29.35', '2.5.29.20']);
    expect(authorityKeyId).toEqual(issuer.certificate.subjectKeyId);
    expect(verify('sha256', tbs, createPublicKey(issuer.privateKey), signature)).toBe(true);
  });

  it('of nothing has no list at all (RFC 5280 §5.1.2.6)', () => {
    const { list } = open(createCrl({ ...options, revoked: [] }));
    for (const field of ['version', 'algorithm', 'issuer', 'thisUpdate', 'nextUpdate']) list.any(field);
    expect(list.peek()).toBe(contextTag(0, 'constructed'));
  });
});

function open(crl: Uint8Array): { readonly list: DerReader; readonly signature: Uint8Array; readonly tbs: Uint8Array } {
  const outer = DerReader.over(crl).sequence('crl');
  const signed = outer.element(tags.sequence, 'tbsCertList');
  outer.any('algorithm');
  return { list: outer.reread(signed, 'tbsCertList'), signature: outer.octetAligned('signature'), tbs: signed.encoded };
}
