/** A log line of a service as people read it; anything else as it is. */
export function readableLogLine(line: string): string {
  let entry: { msg?: unknown; err?: { message?: unknown } };
  try {
    entry = JSON.parse(line);
  } catch {
    return line;
  }
  if (typeof entry?.msg !== 'string') return line;
  return typeof entry.err?.message === 'string' && entry.err.message !== entry.msg ? `${entry.msg}: ${entry.err.message}` : entry.msg;
}
