/** Holds a start back until the network is there. A wait that fails is told, and the start comes all the same. */
export class NetworkWait {
  private readonly ready: (() => Promise<void>) | undefined;
  private readonly onError: (reason: string) => void;
  /** Counts starts and stops: a start that waits holds only while it is the latest. */
  private latest = 0;

  constructor(ready: (() => Promise<void>) | undefined, onError: (reason: string) => void) {
    this.ready = ready;
    this.onError = onError;
  }

  /** Calls `begin` when the network is there; at once when nobody has to be waited for. */
  begin(begin: () => void): void {
    const mine = ++this.latest;
    if (!this.ready) {
      begin();
      return;
    }
    const told = (error: unknown): void => this.onError(error instanceof Error ? error.message : String(error));
    this.ready()
      .catch(told)
      .then(() => {
        if (mine === this.latest) begin();
      })
      .catch(told);
  }

  /** What waits does not begin any more. */
  cancel(): void {
    this.latest++;
  }
}
