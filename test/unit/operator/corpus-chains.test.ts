import { describe, expect, it } from 'vitest';
import { encodePem } from '../../../src/codec/pem.ts';
import { silentLog } from '../../../src/core/log.ts';
import { explainChain } from '../../../src/operator/explain.ts';
import { enrollmentGroup, x509Attestation } from '../../../src/provision/group.ts';
import { compilePolicy } from '../../../src/provision/policy.ts';
import { chainCorpus } from '../../support/corpus-chains.ts';

const now = Date.UTC(2026, 10, 21, 12);
const corpus = chainCorpus(now);
const policy = compilePolicy(
  [
    enrollmentGroup({
      id: '6a0b1b1c-3a5b-4b5e-9a55-0e5c0a1d2e3f',
      name: 'Acme',
      owner: { id: 'b80c8fef-a677-5340-85fb-2c162d75df03', name: '1' },
      hubs: [],
      attestation: {
        x509: x509Attestation({
          anchors: corpus.anchors.map((der) => encodePem('CERTIFICATE', der)),
          intermediates: corpus.intermediates.map((der) => encodePem('CERTIFICATE', der)),
          crls: corpus.crls.map((der) => encodePem('X509 CRL', der)),
        }),
      },
    }),
  ],
  [],
  silentLog,
);

describe('the corpus of chains', () => {
  it('has at least 35 broken ones, and every name once', () => {
    expect(corpus.cases.filter(({ expected }) => expected !== 'accepted').length).toBeGreaterThanOrEqual(35);
    expect(new Set(corpus.cases.map(({ name }) => name)).size).toBe(corpus.cases.length);
  });

  it.each(corpus.cases)('$name: $why -> $expected', ({ chain, expected, says = {}, fix, onTheWire }) => {
    const presented = onTheWire ? chain.map(onTheWire) : chain;
    const explanation = explainChain(presented, policy, now);
    const { refusal, verdict } = explanation;
    const findings = explanation.presented.map((one) => one.findings.join(' ')).join(' / ');
    expect(refusal?.code ?? verdict, `${findings} ${JSON.stringify(refusal)}`).toBe(expected);
    for (const [name, text] of Object.entries(says)) expect(String(refusal?.evidence[name])).toContain(text);
    if (fix !== undefined) expect(refusal?.fix).toContain(fix);
    if (refusal) expect(refusal.fix).toMatch(/\w+ \w+ \w+/);
    expect(explanation.presented).toHaveLength(presented.length);
  });
});
