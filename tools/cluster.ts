import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { type Demo, demoPartnerKey, firstConversation, writeDemo } from '../bin/demo.ts';
import { openEngine } from '../engine/open-engine.ts';
import { systemClock } from '../shared/service/clock.ts';
import { FigureReader, redisFigures } from './cluster/figures.ts';
import { LiveView } from './cluster/live-view.ts';
import { LocalCluster } from './cluster/local-cluster.ts';
import { readableLogLine } from './cluster/log-line.ts';
import { findProgram, HAPROXY, howToInstall, REDIS } from './cluster/programs.ts';

/**
 * `npm run cluster`: the shape of production on one machine. Redis Cluster with three primaries and three replicas, two messaging processes
 * behind a TCP balancer, two gateways behind an HTTP balancer with a sticky cookie. docs/how-to/run-a-cluster.md shows what to do with it.
 */

const LOOK_EVERY_MS = 1000;

/** Not a fault of the program: told in one line. */
class CannotStart extends Error {}

try {
  await main();
} catch (error) {
  console.error(error instanceof CannotStart ? error.message : error);
  process.exit(1);
}

async function main(): Promise<void> {
  const missing = [REDIS, HAPROXY].filter((needed) => findProgram(needed) === undefined);
  if (missing.length > 0) throw new CannotStart(missing.map(howToInstall).join('\n'));
  const haproxy = findProgram(HAPROXY) as string;
  const dataDir = resolve(process.env['DATA_DIR']?.trim() || './data');
  const publicPort = await portFor(process.env['GATEWAY_PORT']?.trim() || '8080');
  const drainSeconds = process.env['DRAIN_SECONDS']?.trim() || '2';

  const view = new LiveView();
  const stopped = Promise.withResolvers<void>();
  let cluster: LocalCluster | undefined;
  let stopping = false;
  const stop = async (): Promise<void> => {
    // The guards of the processes end what is still there when this process is gone.
    if (stopping) process.exit(1);
    stopping = true;
    if (cluster === undefined) process.exit(1);
    log('cluster', 'stopping; Ctrl-C again to stop at once');
    await cluster.stop(Number(drainSeconds) * 1000);
    stopped.resolve();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());

  // While they start, the processes only say that the others are not there yet: that is of interest when the start fails.
  const early: string[] = [];
  const log = (name: string, line: string): void => {
    const readable = `${name.padEnd(12)} ${readableLogLine(line)}`;
    if (cluster !== undefined) view.log(readable);
    else if (name === 'cluster') console.log(readable);
    else early.push(readable);
  };
  try {
    cluster = await LocalCluster.start({ publicPort, haproxy, env: { DRAIN_SECONDS: drainSeconds }, log });
  } catch (error) {
    for (const line of early) console.error(line);
    throw error;
  }

  const origin = `127.0.0.1:${publicPort}`;
  const demo: Demo = {
    gatewayUrl: `http://${origin}`,
    docsUrl: `http://${origin}/docs`,
    wsUrl: `ws://${origin}/ws`,
    partnerKey: await partnerKey(cluster, dataDir),
  };
  await writeDemo(dataDir, demo);
  console.log(`Connect Chat is up: two gateways, two messaging processes, six Redis nodes.\n${firstConversation(demo, dataDir)}`);
  for (const service of cluster.services) {
    console.log(`  ${service.name.padEnd(13)} pid ${await service.pid()}  port ${service.port}  ${service.adminUrl}/metrics`);
  }
  console.log(`  redis         ${cluster.redis.nodes.map((node) => node.address).join(' ')}\n`);
  process.send?.({ ready: demo, pids: await cluster.pids() });

  await look(cluster, view, () => stopping);
  await stopped.promise;
}

async function look(cluster: LocalCluster, view: LiveView, done: () => boolean): Promise<void> {
  const reader = new FigureReader();
  while (!done()) {
    const figures = await Promise.all([
      ...cluster.services.map((service) => reader.service(service)),
      ...cluster.redis.nodes.map(redisFigures),
    ]);
    if (!done()) view.show(figures);
    await new Promise((next) => setTimeout(next, LOOK_EVERY_MS));
  }
}

async function partnerKey(cluster: LocalCluster, dataDir: string): Promise<string> {
  const engine = await openEngine({ REDIS_CLUSTER_URLS: cluster.redis.urls });
  try {
    return await demoPartnerKey(dataDir, engine.store, systemClock);
  } finally {
    await engine.close();
  }
}

/** A port to listen on, known to be free: HAProxy would say less clearly that it is not. 0 picks one. */
async function portFor(wanted: string): Promise<number> {
  if (!/^\d{1,5}$/.test(wanted)) throw new CannotStart(`GATEWAY_PORT is "${wanted}", but must be a port`);
  return new Promise((found, reject) => {
    const server = createServer();
    server.once('error', () =>
      reject(new CannotStart(`127.0.0.1:${wanted} is in use; stop what listens there, or set GATEWAY_PORT to another`)),
    );
    server.listen(Number(wanted), '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => found(port));
    });
  });
}
