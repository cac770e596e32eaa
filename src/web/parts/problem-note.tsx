import { problemIn } from '../api/client.ts';

/** Why something could not be done, and what to do about it. */
export function ProblemNote({ error, retry }: { readonly error: unknown; readonly retry?: (() => void) | undefined }) {
  const { title, detail, fix, code, evidence, instance } = problemIn(error);
  const facts = Object.entries(evidence ?? {});
  // `detail` is made of the title, what was seen, and the fix.
  const told = detail === undefined || detail === title || facts.length > 0 || fix !== undefined;
  return (
    <div class="note note-bad" role="alert">
      <p class="note-title">{title}</p>
      {told ? null : <p>{detail}</p>}
      {facts.length > 0 ? (
        <ul class="facts">
          {facts.map(([name, value]) => (
            <li key={name}>
              <span class="muted">{name}</span> {typeof value === 'string' ? value : JSON.stringify(value)}
            </li>
          ))}
        </ul>
      ) : null}
      {fix === undefined || fix === '' ? null : <p class="fix">{fix}</p>}
      <p class="muted small">
        <code>{code}</code>
        {instance === undefined ? null : (
          <>
            {' '}
            · request <code>{instance}</code>
          </>
        )}
      </p>
      {retry === undefined ? null : (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}
