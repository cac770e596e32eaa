import type { Explanation } from '../../../operator/explain.ts';
import type { AttemptExplanation } from '../../../operator/operations.ts';
import { useResource } from '../../api/context.tsx';
import { plural } from '../../parts/words.ts';
import { ExplanationView } from './explanation.tsx';
import { Loaded } from './loaded.tsx';

/** What was decided on an attempt then, and what the present policy says of the same chain. */
export function Judgement({ attempt }: { readonly attempt: string }) {
  const explanation = useResource<AttemptExplanation>(`/attempts/${encodeURIComponent(attempt)}/explanation`);
  return (
    <Loaded resource={explanation}>
      {({ recorded, now, groups }) => (
        <div class="reports">
          <ExplanationView explanation={recorded} heading="What was decided" judgedBy="by the policy of that time" />
          {now && sameDecision(recorded, now) ? (
            <p class="muted">The present policy, of {plural(groups, 'group')}, says the same.</p>
          ) : now ? (
            <ExplanationView
              explanation={now}
              heading="What the present policy says"
              judgedBy={`by the present policy of ${plural(groups, 'group')}`}
            />
          ) : (
            <p class="muted">It showed no certificates, so there is nothing that the present policy could judge.</p>
          )}
        </div>
      )}
    </Loaded>
  );
}

const sameDecision = (then: Explanation, now: Explanation): boolean =>
  then.verdict === now.verdict &&
  // What was accepted is on record up to its last stage; the present policy is asked no further than for admission.
  (then.verdict === 'accepted' || then.stage === now.stage) &&
  then.group?.id === now.group?.id &&
  then.refusal?.code === now.refusal?.code &&
  then.refusal?.fix === now.refusal?.fix;
