const startedAt = performance.now();

/** A line on stderr with the time since the start, so that stdout stays the result. */
export function progress(text: string): void {
  const seconds = (performance.now() - startedAt) / 1000;
  process.stderr.write(`${seconds.toFixed(1).padStart(7)} s  ${text}\n`);
}

/** Rejects when the work takes longer; nothing in the benchmark waits for ever. */
export async function within<T>(work: Promise<T>, seconds: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
