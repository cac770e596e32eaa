/** Does one thing after the other, in the order in which they were asked for; one that fails does not hold up the next. */
export class InTurn {
  private last: Promise<unknown> = Promise.resolve();

  do<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }

  /** Waits for what has been asked for until now. */
  async settled(): Promise<void> {
    await this.last;
  }
}
