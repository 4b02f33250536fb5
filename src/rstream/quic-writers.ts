// Streams that wait to write. quiche is asked who may, unless they are few: most of many are tried in vain, and every time anew.

import type { NativeConnection } from './quic-native.ts';

interface Writer {
  readonly id: number;
  /** Tries again, and says so when it still has to wait. */
  writeReady(): void;
}

const few = 16;
/** Once in so many times all are tried: quiche says nothing of those it has dropped. */
const timesBetweenTrials = 64;

export class QuicWriters<T extends Writer> {
  readonly #native: Pick<NativeConnection, 'writable'>;
  readonly #waiting = new Map<number, T>();
  #times = 0;

  constructor(native: Pick<NativeConnection, 'writable'>) {
    this.#native = native;
  }

  add(writer: T): void {
    this.#waiting.set(writer.id, writer);
  }

  delete(writer: T): void {
    this.#waiting.delete(writer.id);
  }

  /** To be called when there may be room again. */
  wake(): void {
    if (this.#waiting.size === 0) return;
    this.#times += 1;
    const all = this.#waiting.size <= few || this.#times % timesBetweenTrials === 0;
    for (const id of [...(all ? this.#waiting.keys() : this.#native.writable())]) {
      const writer = this.#waiting.get(id);
      if (!writer) continue;
      this.#waiting.delete(id);
      writer.writeReady();
    }
  }
}
