/** Time and chance as the calls to Redis need them: durations, never the hour. Tests put a model in its place. */
export interface Timing {
  /** Monotonic, ms. */
  now(): number;
  /** Runs this once after so many ms; one that is `idle` keeps no process alive. Returns what calls it off. */
  after(ms: number, work: () => void, idle?: 'idle'): () => void;
  /** Runs this at the end of the present turn of the event loop. */
  soon(work: () => void): void;
  /** From 0 up to 1. */
  random(): number;
}

export const systemTiming: Timing = {
  now: () => performance.now(),
  after(ms, work, idle) {
    const timer = setTimeout(work, ms);
    if (idle) timer.unref();
    return () => clearTimeout(timer);
  },
  soon: (work) => void setImmediate(work),
  random: () => Math.random(),
};

/** Resolves after so many ms. */
export function sleep(timing: Timing, ms: number): Promise<void> {
  return new Promise((resolve) => timing.after(Math.max(0, ms), resolve));
}
