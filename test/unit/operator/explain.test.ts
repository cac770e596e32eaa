import { describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { days } from '../../../src/core/clock.ts';
import { silentLog } from '../../../src/core/log.ts';
import { attemptLines } from '../../../src/operator/attempt-report.ts';
import { explainAttempt, explainChain, explainChainIn } from '../../../src/operator/explain.ts';
import { enrollmentGroup, x509Attestation } from '../../../src/provision/group.ts';
import { compilePolicy } from '../../../src/provision/policy.ts';
import type { Attempt, EnrollmentGroup } from '../../../src/store/model.ts';
import { makeIdentities } from '../../support/identities.ts';
import { someDevice } from '../../support/store-records.ts';

const now = Date.UTC(2026, 10, 21, 12);
const { named, anchors } = makeIdentities(now);
const pem = (der: Uint8Array): string => encodePem('CERTIFICATE', der);

const acme = (changes: Partial<EnrollmentGroup> = {}, expiredGrace = 0): EnrollmentGroup =>
  enrollmentGroup({
    id: '6a0b1b1c-3a5b-4b5e-9a55-0e5c0a1d2e3f',
    name: 'Acme',
    owner: { id: 'b80c8fef-a677-5340-85fb-2c162d75df03', name: '1' },
    hubs: [],
    attestation: { x509: x509Attestation({ anchors: anchors.map(pem), expiredGrace }) },
    ...changes,
  });
const policyOf = (...groups: EnrollmentGroup[]) => compilePolicy(groups, [], silentLog);

describe('explainChain', () => {
  it('names the group, what it was matched by, and the whole path', () => {
    const explanation = explainChain(named.good.chain, policyOf(acme()), now);
    expect(explanation).toMatchObject({
      verdict: 'accepted',
      group: { name: 'Acme' },
      by: { anchor: 'O=Acme, CN=Acme Root CA' },
      refusal: undefined,
    });
    expect(explanation.path.map(({ subject, presented, anchor }) => [subject, presented, anchor])).toEqual([
      ['O=Acme, CN=device-0001', true, false],
      ['O=Acme, CN=Acme Intermediate CA', true, false],
      ['O=Acme, CN=Acme Root CA', false, true],
    ]);
    expect(explanation.path[0]).toMatchObject({ key: 'P-256', dates: expect.stringContaining('valid for another') });
  });

  it('puts the chain that came beside the one that is needed', () => {
    const { refusal, presented, needed } = explainChain(named.incomplete.chain, policyOf(acme()), now);
    expect(refusal).toMatchObject({ code: 'attest.incomplete-chain', evidence: { nearestGroup: 'Acme' } });
    expect(presented).toHaveLength(1);
    expect(needed).toEqual([
      'O=Acme, CN=device-0001',
      expect.stringMatching(/^missing: O=Acme, CN=Acme Intermediate CA, key id [0-9a-f]{40}$/),
      'registered with Acme: O=Acme, CN=Acme Root CA',
    ]);
  });

  it('goes by the grace of the group for an expired leaf, and by its being enabled', () => {
    const { chain } = named.expired;
    expect(explainChain(chain, policyOf(acme({}, days(2))), now)).toMatchObject({ verdict: 'accepted' });
    expect(explainChain(chain, policyOf(acme()), now).refusal).toMatchObject({
      code: 'attest.expired',
      evidence: { since: 'expired 1 day ago' },
    });
    const disabled = explainChain(named.good.chain, policyOf(acme({ enabled: false })), now);
    expect(disabled).toMatchObject({ stage: 'admit', refusal: { code: 'admit.group-disabled' } });
  });

  it('judges as if there were one group only, and by nothing when there is none', () => {
    const other = acme({
      id: '11111111-2222-4333-8444-555555555555',
      name: 'Other',
      attestation: { x509: undefined, psk: [], pins: [] },
    });
    const policy = policyOf(acme(), other);
    expect(explainChain(named.good.chain, policy, now, { group: other.id })).toMatchObject({ verdict: 'refused' });
    expect(explainChain(named.good.chain, policy, now, { group: acme().id })).toMatchObject({ verdict: 'accepted' });
    expect(explainChain(named.good.chain, policyOf(), now).refusal?.code).toMatch(/^attest\./);
  });

  it('says of bytes that are no certificate that they cannot be read', () => {
    const { refusal, presented } = explainChain([Uint8Array.of(1, 2, 3)], policyOf(acme()), now);
    expect(refusal?.code).toBe('attest.unreadable');
    expect(presented[0]).toMatchObject({ subject: undefined, dates: 'cannot be read' });
    expect(explainChain([], policyOf(acme()), now).refusal?.code).toBe('attest.unreadable');
  });

  it('asks the state of the device and the lists when there is a store', async () => {
    const device = someDevice(1, { state: 'quarantined' });
    const store = { device: async () => device, findAccess: async () => undefined, hasAccess: async () => false };
    const held = await explainChainIn(store, named.good.chain, policyOf(acme()), now);
    expect(held.refusal?.code).toBe('admit.quarantined');
    const unknown = { ...store, device: async () => undefined };
    const waits = await explainChainIn(unknown, named.good.chain, policyOf(acme({ admission: 'manual' })), now);
    expect(waits.refusal?.code).toBe('admit.pending');
  });
});

const attempt: Attempt = {
  id: '0199c3a1-7e4c-7a52-9d3c-2f1f3a1b0c4d',
  entries: [
    { at: now, type: 'opened', transport: 'coaps', peer: '192.0.2.7:4711' },
    {
      at: now + 5,
      type: 'client-hello',
      version: 'DTLSv1.2',
      cipherSuites: ['TLS_A'],
      groups: [],
      signatureAlgorithms: ['ed25519'],
      serverName: undefined,
    },
    { at: now + 9, type: 'chain', certificates: [...named.good.chain.map(pem), 'nonsense'] },
    { at: now + 12, type: 'handshake', version: 'DTLSv1.2', cipherSuite: 'TLS_A', ms: 12 },
    {
      at: now + 12,
      type: 'stage',
      stage: 'match',
      result: 'ok',
      facts: { group: 'Acme', groupId: acme().id, depth: 2 },
    },
    {
      at: now + 20,
      type: 'exchange',
      method: 'GET',
      path: '/x.plgd.dev/time',
      code: 205,
      bytesIn: 0,
      bytesOut: 44,
      ms: 3,
      roundTrips: 1,
    },
    {
      at: now + 30,
      type: 'stage',
      stage: 'bind',
      result: 'refused',
      facts: { step: 'cloud' },
      refusal: { code: 'bind.device-id-taken', evidence: { holder: 'k1' }, fix: 'reset the device' },
    },
    { at: now + 31, type: 'alarm', kind: 'two-places', evidence: { first: '192.0.2.7' } },
    { at: now + 31, type: 'status', flags: 3 },
    { at: now + 40, type: 'alert', direction: 'received', name: 'close_notify' },
    {
      at: now + 41,
      type: 'closed',
      verdict: 'refused',
      refusal: { code: 'bind.device-id-taken', evidence: {}, fix: 'reset the device' },
      bytesIn: 900,
      bytesOut: 800,
    },
  ],
};

describe('an attempt on record', () => {
  it('is explained by its last word', () => {
    expect(explainAttempt(attempt)).toMatchObject({
      verdict: 'refused',
      stage: 'bind',
      refusal: { code: 'bind.device-id-taken' },
      group: { name: 'Acme' },
      by: { depth: 2 },
      keyId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      presented: [{ subject: 'O=Acme, CN=device-0001' }, { subject: 'O=Acme, CN=Acme Intermediate CA' }],
    });
  });

  it('reads as a timeline: what came, what was decided and why, what went over the wire', () => {
    const text = attemptLines(attempt).join('\n');
    for (const part of [
      '+0 ms  opened over DTLS from 192.0.2.7:4711',
      'suites TLS_A',
      'groups none',
      '0: O=Acme, CN=device-0001, issued by O=Acme, CN=Acme Intermediate CA',
      '2: cannot be read',
      'handshake done: DTLSv1.2, TLS_A, 12 ms',
      'match: ok (group Acme',
      'GET /x.plgd.dev/time -> 2.05, 0 bytes in, 44 out, 3 ms, 1 round trip',
      'bind: refused (step cloud)',
      'seen: holder k1',
      'fix:  reset the device',
      'ALARM two-places',
      'status: initialized, hasCredentials',
      'alert close_notify received',
      '+41 ms  refused: bind.device-id-taken, 900 bytes in, 800 out',
      '1 request, 1 round trip, answered in 3 ms altogether',
    ]) {
      expect(text).toContain(part);
    }
  });
});
