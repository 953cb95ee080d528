import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEngine } from '../../engine/open-engine.ts';
import { ServerProcess } from './server-process.ts';
import { buildWorld, tokenKey, type World, type WorldSpec } from './world.ts';

const START = fileURLToPath(new URL('../../bin/start.ts', import.meta.url));

/** Limits out of the way; everything else as it ships. */
export const UNLIMITED = {
  LOG_LEVEL: 'error',
  REST_RATE_PER_MINUTE: '10000000',
  WS_FRAMES_PER_SECOND: '100000',
  WS_FRAME_BURST: '100000',
  WS_CONNECTIONS_PER_SESSION: '100',
  WS_SEND_BUFFER_BYTES: '16777216',
};

export interface Running {
  port: number;
  server: ServerProcess;
  world: World;
  stop(): Promise<void>;
}

/** `npm start`: both services in one process on the embedded engine, every write on the disk before its ack. */
export async function startEmbedded(spec: WorldSpec, env: Record<string, string> = {}): Promise<Running> {
  const dataDir = await mkdtemp(join(tmpdir(), 'connect-chat-bench-'));
  try {
    const engine = await openEngine({}, { dataDir });
    const world = await buildWorld(engine, spec).finally(() => engine.close());
    const server = await ServerProcess.start({
      file: START,
      env: {
        ...UNLIMITED,
        DATA_DIR: dataDir,
        GATEWAY_PORT: '0',
        MESSAGING_PORT: '0',
        JWT_SIGNING_KEYS: tokenKey.signingKeys,
        SERVICE_TOKEN_SECRET: randomBytes(32).toString('hex'),
        ...env,
      },
      isReady: (message) => (message as { ready?: { wsUrl: string } }).ready,
    });
    const stop = async (): Promise<void> => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    };
    return { port: Number(new URL((server.info as { wsUrl: string }).wsUrl).port), server, world, stop };
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
}
