import { ConfigError, usesRedis } from '../shared/service/config.ts';
import { DEFAULT_FEED_DAYS, type Engine, type EngineConfig, type EngineOptions } from './engine.ts';

/**
 * Opens the engine the environment asks for: Redis when it names one, else the embedded engine in `dataDir`. The adapter that is not used
 * is not loaded. Throws `ConfigError` with one line when there is neither, or when the data cannot be opened.
 */
export async function openEngine(config: EngineConfig, options: EngineOptions = {}): Promise<Engine> {
  if (usesRedis(config)) {
    const { openRedisEngine } = await import('./redis/engine.ts');
    return openRedisEngine(config, options);
  }
  if (options.dataDir === undefined) {
    throw new ConfigError('REDIS_URL or REDIS_CLUSTER_URLS must be set: services started apart share their data through Redis');
  }
  const { openEmbeddedEngine } = await import('./sqlite/engine.ts');
  return openEmbeddedEngine({
    dataDir: options.dataDir,
    feedDays: options.feedDays ?? config.FEED_DAYS ?? DEFAULT_FEED_DAYS,
    ...(options.shareData === undefined ? {} : { shareData: options.shareData }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.log === undefined ? {} : { log: options.log }),
  });
}
