/** Work that has been begun and is not finished: who wants a quiet moment waits for it. */
export class InFlight {
  private count = 0;
  private waiting: (() => void)[] = [];

  get busy(): boolean {
    return this.count > 0;
  }

  /** Counts `work` until it settles, well or not; its outcome is its owner's business. */
  track<T>(work: Promise<T>): Promise<T> {
    this.begin();
    const end = (): void => this.end();
    work.then(end, end);
    return work;
  }

  begin(): void {
    this.count++;
  }

  end(): void {
    this.count--;
    if (this.count > 0) return;
    const { waiting } = this;
    this.waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves when nothing is under way, at once if that is so now. */
  async idle(): Promise<void> {
    while (this.count > 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}
