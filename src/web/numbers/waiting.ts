type Counts = Readonly<Partial<Record<string, number>>>;

/** Counts of attempts, with those of devices that wait for approval taken out of the refused: they ask again and again. */
export interface Sorted {
  /** Without those that wait, unless as `waiting`. */
  readonly verdicts: Counts;
  /** Why they failed; waiting is no failure. */
  readonly codes: Counts;
}

/** The recorder counts a device that has to wait as refused, for the reason `admit.pending`. */
export function waitingApart({ verdicts, codes }: { readonly verdicts: Counts; readonly codes: Counts }): Sorted {
  const { [pending]: waiting = 0, ...failures } = codes;
  if (waiting === 0) return { verdicts, codes };
  const { refused = 0, ...others } = verdicts;
  const left = Math.max(0, refused - waiting);
  return { verdicts: { ...others, ...(left > 0 && { refused: left }), waiting }, codes: failures };
}

export const pending = 'admit.pending';
