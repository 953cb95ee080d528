import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Cluster, type CommonRedisOptions, Redis } from 'ioredis';
import { ConfigError, splitList } from '../../shared/service/config.ts';
import type { EngineConfig } from '../engine.ts';
import { becomeReady } from './pipelined-connection.ts';

/** Silence of a server that owes a reply ends the connection after this long, ms. */
const SOCKET_TIMEOUT_MS = 5000;
const RECONNECT_MAX_MS = 1000;

/** Makes the client that the environment describes; it does not connect yet. Throws `ConfigError` with one line. */
export function makeClient(config: EngineConfig, connectMs: number): Redis | Cluster {
  if (config.REDIS_CLUSTER_URLS !== undefined) {
    const nodes = splitList(config.REDIS_CLUSTER_URLS).map((url) => parse('REDIS_CLUSTER_URLS', url));
    const [first] = nodes;
    if (first === undefined) throw new ConfigError('REDIS_CLUSTER_URLS names no node');
    const options = clientOptions(config, first, connectMs);
    return new Cluster(
      nodes.map(({ host, port }) => ({ host, port })),
      {
        lazyConnect: true,
        // Certificates are checked against names, so names are not replaced by addresses.
        ...(first.tls ? { dnsLookup: (address, callback) => callback(null, address) } : {}),
        clusterRetryStrategy: reconnect,
        slotsRefreshTimeout: connectMs,
        // `ClusterShards` refreshes. The timer of ioredis 6.0.0 goes on after a close during a refresh, and keeps the process alive.
        slotsRefreshInterval: 0,
        redisOptions: options,
      },
    );
  }
  const server = parse('REDIS_URL', config.REDIS_URL ?? '');
  return new Redis({
    ...clientOptions(config, server, connectMs),
    host: server.host,
    port: server.port,
    db: server.db,
    lazyConnect: true,
    retryStrategy: reconnect,
  });
}

const reconnect = (times: number) => Math.min(RECONNECT_MAX_MS, 25 * 2 ** Math.min(times, 10)) * (0.5 + Math.random() / 2);

interface Address {
  host: string;
  port: number;
  tls: boolean;
  username: string | undefined;
  password: string | undefined;
  db: number;
}

function parse(variable: string, text: string): Address {
  if (!URL.canParse(text)) throw new ConfigError(`${variable} is not a URL like redis://host:6379`);
  const url = new URL(text);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') throw new ConfigError(`${variable} must start with redis:// or rediss://`);
  return {
    host: url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: Number(url.port || 6379),
    tls: url.protocol === 'rediss:',
    username: decodeURIComponent(url.username) || undefined,
    password: decodeURIComponent(url.password) || undefined,
    db: Number(url.pathname.slice(1) || 0),
  };
}

type ClientOptions = Pick<
  CommonRedisOptions,
  'username' | 'password' | 'connectionName' | 'connectTimeout' | 'socketTimeout' | 'autoResendUnfulfilledCommands' | 'maxRetriesPerRequest'
> & { tls?: ConnectionOptions };

function clientOptions(config: EngineConfig, server: Address, connectMs: number): ClientOptions {
  const username = server.username ?? config.REDIS_USERNAME;
  const password = server.password ?? config.REDIS_PASSWORD;
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(server.tls ? { tls: tlsOptions(config) } : {}),
    connectionName: 'connect-chat',
    connectTimeout: connectMs,
    socketTimeout: SOCKET_TIMEOUT_MS,
    // What was under way when a connection broke fails at once; what may be sent again is, by Caller.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  };
}

function tlsOptions(config: EngineConfig): ConnectionOptions {
  const file = config.REDIS_TLS_CA_FILE;
  if (file === undefined) return {};
  try {
    return { ca: readFileSync(file) };
  } catch (error) {
    throw new ConfigError(`REDIS_TLS_CA_FILE ${file} cannot be read: ${(error as Error).message}`);
  }
}

/** Where a client connects to, for messages: the host and port, or several. */
export function describeServers(config: EngineConfig, client: Redis | Cluster): string {
  const texts = config.REDIS_CLUSTER_URLS !== undefined ? splitList(config.REDIS_CLUSTER_URLS) : [config.REDIS_URL ?? ''];
  const servers = texts.filter((text) => URL.canParse(text)).map((text) => new URL(text).host);
  if (servers.length > 0) return servers.join(', ');
  return client instanceof Redis ? `${client.options.host}:${client.options.port}` : 'the cluster';
}

/** Resolves when the client is connected; rejects within the time with what went wrong last. */
export async function connect(client: Redis | Cluster, connectMs: number): Promise<void> {
  let last: Error | undefined;
  const note = (error: Error) => {
    last = error;
  };
  client.on('error', note);
  client.on('node error', note);
  try {
    await becomeReady(client as Redis, connectMs);
  } catch (error) {
    throw last ?? error;
  } finally {
    client.off('error', note);
    client.off('node error', note);
  }
}

/** Checks that the server is one this engine can work with. Throws `ConfigError` with one line. */
export async function checkServer(client: Redis, cluster: boolean, servers: string): Promise<void> {
  const info = await client.info();
  const version = /^redis_version:(.+?)\r?$/m.exec(info)?.[1] ?? 'unknown';
  if (!(Number.parseInt(version, 10) >= 7)) throw new ConfigError(`Redis at ${servers} is version ${version}; 7.0 or newer is needed`);
  const isCluster = /^cluster_enabled:1\r?$/m.test(info);
  if (isCluster && !cluster) throw new ConfigError(`Redis at ${servers} is a cluster: set REDIS_CLUSTER_URLS instead of REDIS_URL`);
  if (!isCluster && cluster) throw new ConfigError(`Redis at ${servers} is no cluster: set REDIS_URL instead of REDIS_CLUSTER_URLS`);
}
