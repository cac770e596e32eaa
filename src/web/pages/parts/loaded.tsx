import type { ComponentChildren } from 'preact';
import type { Resource } from '../../api/context.tsx';
import { ProblemNote } from '../../parts/problem-note.tsx';

/** What a GET has brought, or that it is on its way, or why it did not come. What came before stays while it is read again. */
export function Loaded<T>({
  resource: { data, error, refresh },
  children,
}: {
  readonly resource: Resource<T>;
  readonly children: (data: T) => ComponentChildren;
}) {
  return (
    <>
      {error !== undefined && <ProblemNote error={error} retry={refresh} />}
      {data !== undefined && children(data)}
      {data === undefined && error === undefined && (
        <p class="muted loading" role="status">
          Loading …
        </p>
      )}
    </>
  );
}
