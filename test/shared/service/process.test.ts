import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { startFailure } from '../../../shared/service/process.ts';

const MODULE = new URL('../../../shared/service/process.ts', import.meta.url).href;

/** A process with a service that writes down what is done with it; `begin` runs when it has started. */
function run(begin: string): { code: number | null; lines: string[]; errors: string[] } {
  const program = `
    import { runProcess } from ${JSON.stringify(MODULE)};
    const log = Object.fromEntries(['info', 'error', 'fatal'].map((level) => [level, (details, message) => console.log(level, message)]));
    await runProcess({
      portVariables: ['A_PORT', 'B_PORT'],
      async start(stop) {
        const alive = setInterval(() => {}, 60_000);
        ${begin};
        return {
          log,
          drainMs: 60_000,
          drain: async () => console.log('drain'),
          async close() {
            clearInterval(alive);
            console.log('close');
          },
        };
      },
    });`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const linesOf = (text: string): string[] =>
    text
      .trim()
      .split('\n')
      .filter((line) => line !== '');
  return { code: status, lines: linesOf(stdout), errors: linesOf(stderr) };
}

test('a process that is told to stop drains before it closes', () => {
  for (const begin of ['stop()', "setImmediate(() => process.kill(process.pid, 'SIGTERM'))"]) {
    const { code, lines } = run(begin);
    assert.deepEqual(lines, ['info draining', 'drain', 'info closing', 'close'], begin);
    assert.equal(code, 0);
  }
});

test('after an error that nobody handled a process closes without a drain, and fails', () => {
  const { code, lines } = run("setImmediate(() => { throw new Error('nobody handles this'); })");
  assert.deepEqual(lines, ['fatal ending after an error nobody handled', 'info closing', 'close']);
  assert.equal(code, 1);
});

test('a process that cannot start says why in one line', () => {
  const { code, errors } = run("clearInterval(alive); throw new Error('A_PORT is missing')");
  assert.deepEqual(errors, ['A_PORT is missing']);
  assert.equal(code, 1);
});

test('a port in use is told with the variables that choose another', () => {
  const error = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE', address: '127.0.0.1', port: 80 });
  assert.equal(startFailure(error, ['A_PORT', 'B_PORT']), '127.0.0.1:80 is in use; stop what listens there, or set A_PORT or B_PORT');
});
