/** Returned by every `on...`: ends the subscription. */
export type Unsubscribe = () => void;

/** Who wants to be told of one kind of change. */
export class Listeners<Args extends readonly unknown[]> {
  private readonly all = new Set<(...args: Args) => void>();

  add(listener: (...args: Args) => void): Unsubscribe {
    this.all.add(listener);
    return () => {
      this.all.delete(listener);
    };
  }

  tell(...args: Args): void {
    for (const listener of this.all) listener(...args);
  }
}
