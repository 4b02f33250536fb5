// Whether the Service behind the tunnel can be reached: three dials in a row must fail before we say it cannot.

/** Undefined until the first dial ended one way or the other often enough. */
export type Reachability =
  | { readonly reachable: true }
  | { readonly reachable: false; readonly cause: string };

const failuresBeforeUnreachable = 3;

export class TargetHealth {
  readonly #changed: () => void;
  #failures = 0;
  #state: Reachability | undefined;

  /** `changed` is called whenever the answer turns, or has another cause. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get state(): Reachability | undefined {
    return this.#state;
  }

  succeeded(): void {
    this.#failures = 0;
    if (this.#state?.reachable) return;
    this.#state = { reachable: true };
    this.#changed();
  }

  failed(cause: string): void {
    this.#failures += 1;
    if (this.#failures < failuresBeforeUnreachable) return;
    if (this.#state?.reachable === false && this.#state.cause === cause) return;
    this.#state = { reachable: false, cause };
    this.#changed();
  }
}
