import type { Refusal } from '../../../core/errors.ts';
import { codeText } from './codes.ts';
import { Evidence } from './evidence.tsx';

/** A refusal as the record has it: which rule, what was seen, what would help. `brief`: the rule alone. */
export function Reason({ refusal, brief = false }: { readonly refusal: Refusal; readonly brief?: boolean }) {
  const { code, evidence, fix } = refusal;
  return (
    <div class="reason">
      <p class="reason-title">
        {codeText(code)} <code>{code}</code>
      </p>
      {!brief && (
        <>
          <Evidence facts={evidence} />
          {fix !== '' && <p class="fix">{fix}</p>}
        </>
      )}
    </div>
  );
}
