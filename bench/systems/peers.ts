import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Dialect } from '../load/client.ts';
import { ServerProcess } from './server-process.ts';

export type PeerName = 'ws' | 'fastify-websocket' | 'socket.io' | 'uws';

const FILES: Record<PeerName, string> = {
  ws: 'ws.ts',
  'fastify-websocket': 'fastify-websocket.ts',
  'socket.io': 'socket-io.ts',
  uws: 'uws.cjs',
};
/** npm has binaries of uWebSockets.js for Node 20 at most; the peer brings its own. */
const OLD_NODE = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));

export const dialectOf = (name: PeerName): Dialect => (name === 'socket.io' ? 'socket.io' : 'plain');

/** Whether this machine has what the peer needs. */
export function available(name: PeerName): boolean {
  if (name !== 'uws') return true;
  try {
    createRequire(import.meta.url).resolve('@trufflesuite/uws-js-unofficial');
    return existsSync(OLD_NODE);
  } catch {
    return false;
  }
}

export async function startPeer(name: PeerName, env: Record<string, string> = {}): Promise<{ port: number; server: ServerProcess }> {
  const server = await ServerProcess.start({
    file: fileURLToPath(new URL(`../peers/${FILES[name]}`, import.meta.url)),
    env,
    ...(name === 'uws' ? { execPath: OLD_NODE, agent: false } : {}),
  });
  return { port: (server.info as { port: number }).port, server };
}
