import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a result must be read with. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  redis: string | undefined;
  commit: string;
  versions: Record<string, string>;
}

function run(file: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(file, args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

function installed(name: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')) as { version: string })
      .version;
  } catch {
    return undefined;
  }
}

const PEERS = [
  'ws',
  'fastify',
  '@fastify/websocket',
  'socket.io',
  '@socket.io/redis-streams-adapter',
  '@socket.io/redis-adapter',
  '@trufflesuite/uws-js-unofficial',
];

export function describeMachine(): Machine {
  const dirty = run('git', ['status', '--porcelain', '--', 'gateway', 'messaging', 'shared']) ? '+' : '';
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    redis: /v=(\S+)/.exec(run('redis-server', ['--version']) ?? '')?.[1],
    commit: `${run('git', ['rev-parse', '--short', 'HEAD']) ?? 'unknown'}${dirty}`,
    versions: Object.fromEntries(PEERS.flatMap((name) => (installed(name) === undefined ? [] : [[name, installed(name) as string]]))),
  };
}
