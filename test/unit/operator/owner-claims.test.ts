import { beforeAll, describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { refuseForeignClaims } from '../../../src/operator/owner-claims.ts';
import { x509Attestation } from '../../../src/provision/group.ts';
import type { EnrollmentGroup } from '../../../src/store/model.ts';
import { type Made, makeCertificate } from '../../support/chains.ts';
import { someGroup } from '../../support/store-records.ts';

const pem = ({ der }: Made): string => encodePem('CERTIFICATE', der);
type X509 = Parameters<typeof x509Attestation>[0];
const anchored = (seed: number, x509: X509): EnrollmentGroup =>
  someGroup(seed, { attestation: { x509: x509Attestation(x509), psk: [], pins: [] } });
const shared = (seed: number, identity: string): EnrollmentGroup =>
  someGroup(seed, { attestation: { x509: undefined, psk: [{ identity, key: 'AA==', derived: true }], pins: [] } });

describe('a claim on devices of somebody else', () => {
  let [root, line, namesake]: Made[] = [];
  let theirs: EnrollmentGroup;
  const codeOf = (group: EnrollmentGroup, other = theirs): unknown => {
    try {
      return refuseForeignClaims(group, [other]);
    } catch (error) {
      return (error as { readonly code?: string }).code;
    }
  };
  const given = (made: Made | undefined): string => (made ? pem(made) : '');
  beforeAll(async () => {
    root = await makeCertificate({ subject: 'CN=Their Root', ca: true });
    line = await makeCertificate({ subject: 'CN=Their Line', issuer: root, ca: true });
    namesake = await makeCertificate({ subject: 'CN=Their Root', ca: true });
    theirs = anchored(1, { anchors: [given(root)] });
  });

  it('is an authority of theirs, or one that it issued, as anchor, lead or intermediate', async () => {
    const own = given(await makeCertificate({ subject: 'CN=Own Root', ca: true }));
    expect(codeOf(anchored(2, { anchors: [given(root)] }))).toBe('operator.conflict');
    expect(codeOf(anchored(2, { anchors: [given(line)] }))).toBe('operator.conflict');
    expect(codeOf(anchored(2, { anchors: [own], leads: [given(line)] }))).toBe('operator.conflict');
    expect(codeOf(anchored(2, { anchors: [own], intermediates: [given(line)] }))).toBe('operator.conflict');
    expect(codeOf(anchored(2, { anchors: [own] }))).toBeUndefined();
  });

  it('is an authority that only calls itself as theirs, however it writes that, and not what is below it', async () => {
    const below = await makeCertificate({
      subject: 'CN=Own Line',
      ...(namesake && { issuer: namesake }),
      ca: true,
    });
    const respelled = await makeCertificate({ subject: 'CN=their  ROOT', ca: true });
    const own = given(await makeCertificate({ subject: 'CN=Own Root', ca: true }));
    expect(codeOf(anchored(2, { anchors: [given(namesake)] }))).toBe('operator.conflict');
    expect(codeOf(anchored(2, { anchors: [pem(respelled)] }))).toBe('operator.conflict');
    expect(codeOf(anchored(2, { anchors: [own], intermediates: [given(namesake)] }))).toBe('operator.conflict');
    expect(codeOf(anchored(2, { anchors: [pem(below)] }))).toBeUndefined();
  });

  it('is an authority that calls itself as the issuer of theirs, unless it is that', () => {
    const lined = anchored(1, { anchors: [given(line)] });
    expect(codeOf(anchored(2, { anchors: [given(namesake)] }), lined)).toBe('operator.conflict');
    expect(codeOf(anchored(2, { anchors: [given(root)] }), lined)).toBeUndefined();
  });

  it('is an authority without a key id, which path checks find by its name alone', async () => {
    const unmarked = await makeCertificate({ subject: 'CN=Any Line', ca: true, keyId: false });
    expect(codeOf(anchored(2, { anchors: [pem(unmarked)] }))).toBe('operator.conflict');
    expect(codeOf(anchored(2, { anchors: [pem(unmarked)] }), shared(1, 'line-7'))).toBeUndefined();
  });

  it.each([
    ['line-7', 'line-7', true],
    ['line-*', 'line-7', true],
    ['line-7', 'line-*', true],
    ['line-7*', 'line-*', true],
    ['*', 'line-7', true],
    ['line-8', 'line-7', false],
    ['line-8*', 'line-7*', false],
    ['line', 'line-*', false],
  ])('is the identity %s against %s: %s', (wanted, other, expected) => {
    expect(codeOf(shared(2, wanted), shared(1, other))).toBe(expected ? 'operator.conflict' : undefined);
  });
});
