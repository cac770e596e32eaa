/** What lists of the API answer. */
export interface ListAnswer<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
