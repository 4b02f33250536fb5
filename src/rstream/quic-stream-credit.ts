// Those who wait for the peer to allow one more stream.

export class QuicStreamCredit {
  readonly #left: () => number;
  readonly #waiting: (() => void)[] = [];

  /** `left`: how many more streams the peer allows. */
  constructor(left: () => number) {
    this.#left = left;
  }

  /** Resolves when there may be one; rejects with the signal's reason. */
  async until(signal: AbortSignal): Promise<void> {
    while (this.#left() <= 0) await this.#change(signal);
  }

  /** To be called when there may be more. */
  look(): void {
    if (this.#waiting.length === 0 || this.#left() <= 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const onAbort = () => {
        const at = this.#waiting.indexOf(changed);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      const changed = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(changed);
    });
  }
}
