// How every program of ours ends, so that whoever starts it knows whether a new start may help.

export const exitStatus = {
  /** It did what it was asked, or was told to stop. */
  done: 0,
  /** Something failed that may be over at the next start: a port that is taken, an API server that refuses. */
  failed: 1,
  /** A flag, a file it was told to use or its environment has to be changed first. */
  usage: 2,
} as const;
