import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** Runs a service's program as a process with this environment alone; it is gone after the test. */
export function startService(t: TestContext, program: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [program], { env: { ...env, PATH: process.env['PATH'] }, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const lines = on(createInterface(child.stdout), 'line') as AsyncIterableIterator<[string]>;
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, errors: errors.trim().split('\n') }));
  return {
    child,
    ended,
    /** The next line of its log that is about this, or has this message, once it is written. */
    async logged(about: string | ((entry: Record<string, unknown>) => boolean)): Promise<Record<string, unknown>> {
      const ending = ended.then(({ errors }) => Promise.reject(new Error(`ended before ${about}: ${errors.join(' ')}`)));
      for (;;) {
        const { value } = await Promise.race([lines.next(), ending]);
        const entry = JSON.parse(value[0]) as Record<string, unknown>;
        if (typeof about === 'string' ? entry['msg'] === about : about(entry)) return entry;
      }
    },
  };
}
