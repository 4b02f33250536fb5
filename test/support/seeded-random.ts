// Numbers that look random and are the same for the same seed: what failed once can be run again.

/** From 0 up to 1, without it. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
