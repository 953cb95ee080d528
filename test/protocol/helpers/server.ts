import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where a server is and how to act as a partner system: the content of `demo.json`. */
export interface Target {
  gatewayUrl: string;
  docsUrl: string;
  wsUrl: string;
  partnerKey: string;
}

/** A server and the end of it. */
export interface Server extends Target {
  /** Sends SIGTERM; resolves with the exit code, or the name of the signal that ended it. */
  terminate(): Promise<number | string>;
  /** Ends it at once and removes its data. */
  stop(): Promise<void>;
}

const START = fileURLToPath(new URL('../../../bin/start.ts', import.meta.url));

/** The server named by CONNECT_CHAT_DEMO (the path of a demo.json), or else one of our own. */
export async function reachServer(): Promise<Server> {
  const path = process.env['CONNECT_CHAT_DEMO'];
  if (path === undefined || path === '') return startServer();
  const target = JSON.parse(await readFile(path, 'utf8')) as Target;
  const foreign = async (): Promise<never> => {
    throw new Error('this server is not ours to end');
  };
  return { ...target, terminate: foreign, stop: async () => {} };
}

/** A server of our own, on free ports, with a data folder that goes with it. */
export async function startServer(env: Record<string, string> = {}): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), 'connect-chat-protocol-'));
  const child = fork(START, [], {
    // A test machine may be busier than a server should be.
    env: {
      ...process.env,
      DATA_DIR: dataDir,
      GATEWAY_PORT: '0',
      MESSAGING_PORT: '0',
      LOG_LEVEL: 'error',
      MAX_EVENT_LOOP_DELAY_MS: '0',
      REST_RATE_PER_MINUTE: '100000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const end = async (signal: NodeJS.Signals): Promise<number | string> => {
    child.kill(signal);
    const [code, by] = await exited;
    return code ?? by ?? 'unknown';
  };
  await Promise.race([
    once(child, 'message'),
    exited.then(([code]) => Promise.reject(new Error(`the server ended with ${code} before it was up:\n${output}`))),
  ]);
  const target = JSON.parse(await readFile(join(dataDir, 'demo.json'), 'utf8')) as Target;
  return {
    ...target,
    terminate: () => end('SIGTERM'),
    stop: async () => {
      await end('SIGKILL');
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
