import { useEffect, useRef, useState } from 'preact/hooks';

/** What is being edited, the way it was when it was read, and whether somebody else has changed it since. */
export interface Draft<T extends object> {
  readonly fields: T;
  /** What was read; undefined: it is new. */
  readonly base: T | undefined;
  readonly revision: number | undefined;
  /** Counts the times that it was put in place as a whole: forms with texts of their own begin anew. */
  readonly edition: number;
  readonly change: (changes: { readonly [K in keyof T]?: T[K] | undefined }) => void;
  readonly replace: (fields: T) => void;
  /** Begins anew from what is stored now. */
  readonly restart: (fields: T, revision: number | undefined) => void;
}

/** @param read what is stored, once it is known; what comes later does not touch what is being edited */
export function useDraft<T extends object>(
  read: { readonly fields: T; readonly revision: number | undefined } | undefined,
): Draft<T> | undefined {
  const [state, setState] = useState<{
    fields: T;
    base: T | undefined;
    revision: number | undefined;
    edition: number;
  }>();
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current || !read) return;
    begun.current = true;
    setState({
      fields: read.fields,
      base: read.revision === undefined ? undefined : read.fields,
      revision: read.revision,
      edition: 0,
    });
  }, [read]);
  if (!state) return undefined;
  return {
    ...state,
    change: (changes) =>
      setState((before) => {
        if (!before) return before;
        const fields: Record<string, unknown> = { ...before.fields, ...changes };
        for (const [key, value] of Object.entries(fields)) if (value === undefined) delete fields[key];
        return { ...before, fields: fields as T };
      }),
    replace: (fields) => setState((before) => before && { ...before, fields, edition: before.edition + 1 }),
    restart: (fields, revision) =>
      setState((before) => ({ fields, base: fields, revision, edition: (before?.edition ?? 0) + 1 })),
  };
}
