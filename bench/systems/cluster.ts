import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { openEngine } from '../../engine/open-engine.ts';
import { freePort, RedisNode } from '../../tools/redis-server.ts';
import { UNLIMITED } from './connect-chat.ts';
import { type PeerName, startPeer } from './peers.ts';
import { ServerProcess } from './server-process.ts';
import { buildWorld, tokenKey, type World, type WorldSpec } from './world.ts';

const program = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Several gateways, or nodes of a peer, and everything they need to be one system. */
export interface Cluster {
  ports: number[];
  gateways: ServerProcess[];
  /** Every process whose CPU counts. */
  pids: number[];
  redis: RedisNode;
  messaging: ServerProcess[];
  stop(): Promise<void>;
}

/** Written through to the append-only file before the answer, on the disk within a second: what one Redis gives by itself. */
export const startRedis = (): Promise<RedisNode> => RedisNode.start({ args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] });

/** Gateways and messaging processes in pairs, and one Redis. No balancer: gateway n calls messaging n, so that nothing else is measured. */
export async function startCluster(
  spec: WorldSpec,
  {
    gateways: gatewayCount = 2,
    messaging: messagingCount = 2,
    env = {},
  }: { gateways?: number; messaging?: number; env?: Record<string, string> } = {},
): Promise<Cluster & { world: World }> {
  const redis = await startRedis();
  const started: ServerProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
    await redis.stop();
  };
  try {
    const engine = await openEngine({ REDIS_URL: redis.url });
    const world = await buildWorld(engine, spec).finally(() => engine.close());
    const common = {
      ...UNLIMITED,
      REDIS_URL: redis.url,
      JWT_SIGNING_KEYS: tokenKey.signingKeys,
      SERVICE_TOKEN_SECRET: randomBytes(32).toString('hex'),
      ...env,
    };
    const launch = async (kind: 'gateway' | 'messaging', more: Record<string, string> = {}) => {
      const [port, adminPort] = [await freePort(), await freePort()];
      const name = kind.toUpperCase();
      const server = await ServerProcess.start({
        file: program(`${kind}/server.ts`),
        env: { ...common, [`${name}_PORT`]: String(port), [`${name}_ADMIN_PORT`]: String(adminPort), ...more },
        readyUrl: `http://127.0.0.1:${adminPort}/readyz`,
      });
      started.push(server);
      return { server, port };
    };
    const messaging: { server: ServerProcess; port: number }[] = [];
    for (let i = 0; i < messagingCount; i++) messaging.push(await launch('messaging'));
    const gateways: { server: ServerProcess; port: number }[] = [];
    for (let i = 0; i < gatewayCount; i++) {
      gateways.push(await launch('gateway', { MESSAGING_URL: `http://127.0.0.1:${messaging[i % messagingCount]?.port}` }));
    }
    return {
      ports: gateways.map(({ port }) => port),
      gateways: gateways.map(({ server }) => server),
      messaging: messaging.map(({ server }) => server),
      pids: [redis.pid, ...started.map(({ pid }) => pid)],
      redis,
      world,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Nodes of a peer around one Redis. */
export async function startPeerCluster(name: PeerName, nodes: number, env: Record<string, string>): Promise<Cluster> {
  const redis = await startRedis();
  const peers: { port: number; server: ServerProcess }[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(peers.map(({ server }) => server.stop()));
    await redis.stop();
  };
  try {
    for (let i = 0; i < nodes; i++) peers.push(await startPeer(name, { REDIS_URL: redis.url, ...env }));
    const gateways = peers.map(({ server }) => server);
    return {
      ports: peers.map(({ port }) => port),
      gateways,
      messaging: [],
      pids: [redis.pid, ...gateways.map(({ pid }) => pid)],
      redis,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
