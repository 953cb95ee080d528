import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Demo } from '../../bin/demo.ts';

const START = fileURLToPath(new URL('../../bin/start.ts', import.meta.url));

/** A whole server, as `npm start` runs it, in a process of its own that a test may kill. */
export interface SystemProcess extends Demo {
  dataDir: string;
  child: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  /** Sends a signal and resolves with the exit code, or the name of the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
  /** Starts it again on the same data and the same port, with these variables changed. */
  restart(changed?: Record<string, string>): Promise<SystemProcess>;
}

/** A test, or whatever else ends what was started for it. */
export interface Owner {
  after(work: () => Promise<unknown>): void;
}

/** Starts a server on free ports with a data folder of its own; both are gone after the test. */
export async function startSystem(t: Owner, env: Record<string, string> = {}): Promise<SystemProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), 'connect-chat-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  return launch(t, dataDir, {
    GATEWAY_PORT: '0',
    MESSAGING_PORT: '0',
    LOG_LEVEL: 'error',
    REST_RATE_PER_MINUTE: '1000000',
    MAX_EVENT_LOOP_DELAY_MS: '0',
    ...env,
  });
}

async function launch(t: Owner, dataDir: string, env: Record<string, string>): Promise<SystemProcess> {
  const child = fork(START, [], { env: { ...process.env, DATA_DIR: dataDir, ...env }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const stop = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<number | string> => {
    child.kill(signal);
    const [code, by] = await exited;
    return code ?? by ?? 'unknown';
  };
  t.after(() => stop());
  const demo = await Promise.race([
    once(child, 'message').then(([message]) => (message as { ready: Demo }).ready),
    exited.then(([code]) => Promise.reject(new Error(`the server exited with ${code}: ${text}`))),
  ]);
  return {
    ...demo,
    dataDir,
    child,
    output: () => text,
    stop,
    restart: (changed = {}) => launch(t, dataDir, { ...env, GATEWAY_PORT: new URL(demo.gatewayUrl).port, ...changed }),
  };
}

/** Makes REST calls as a partner system does. Throws with the body when the status is not 2xx. */
export function partner({ gatewayUrl, partnerKey }: Demo) {
  const call = async <T>(
    method: string,
    path: string,
    body?: unknown,
    actor?: string,
    headers: Record<string, string> = {},
  ): Promise<T> => {
    const response = await fetch(`${gatewayUrl}/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${partnerKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(actor === undefined ? {} : { 'x-on-behalf-of': actor }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
  return {
    call,
    session: (userId: string, deviceId = `${userId}-device`) =>
      call<{ sessionId: string; accessToken: string; refreshToken: string }>('POST', '/sessions', { userId, deviceId }),
    group: (ownerId: string, memberIds: string[], title = 'Group') =>
      call<{ id: string; head: number; epoch: string; createdAt: number }>(
        'POST',
        '/conversations',
        { kind: 'group', title, memberIds },
        ownerId,
      ),
  };
}
