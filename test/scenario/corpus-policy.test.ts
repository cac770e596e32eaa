import { describe, expect, it } from 'vitest';
import type { Decision } from '../../src/core/errors.ts';
import { policyCorpus } from '../support/corpus-policy.ts';
import { codeOf, deviceEvidence, openPipeline, openSession, testStart } from '../support/provisioning.ts';

/** What policy and the state of the service refuse, on the pipeline with its real store. */
describe('the corpus of policy', () => {
  it.each(policyCorpus)('$name: $why -> $expected', async (one) => {
    const { options = {}, before, peer, expected, now = testStart } = one;
    const pipeline = await openPipeline(options);
    try {
      await before?.(pipeline);
      const session = await openSession(pipeline, peer?.(pipeline) ?? deviceEvidence(pipeline.pki), now);
      const answer = one.ask ? await one.ask(session, now + 1) : await session.time(now + 1);
      expect(codeOf(answer as Decision<unknown>), JSON.stringify(answer)).toBe(expected);
      if (!answer.ok) expect((answer as Extract<Decision<never>, { ok: false }>).refusal.fix).not.toBe('');
      await session.closed({ reason: 'closed-by-peer', bytesIn: 1, bytesOut: 1 }, now + 2);
    } finally {
      await pipeline.close();
    }
  });
});
