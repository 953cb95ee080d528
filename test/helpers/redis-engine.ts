import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { EngineConfig } from '../../engine/engine.ts';
import { openRedisEngine, type RedisEngine, type RedisEngineOptions } from '../../engine/redis/engine.ts';
import type { ContractEngine } from '../contract/kit.ts';
import type { LogEngine } from '../contract/log/kit.ts';
import { ManualClock } from './manual-clock.ts';

/** Opens a Redis engine and closes it after the test. Each call gets data of its own unless a key prefix is given. */
export async function openForTest(
  t: Pick<TestContext, 'after'>,
  config: EngineConfig,
  options: RedisEngineOptions = {},
): Promise<RedisEngine> {
  const engine = await openRedisEngine({ REDIS_KEY_PREFIX: `t${randomBytes(6).toString('hex')}:`, ...config }, options);
  t.after(() => engine.close());
  return engine;
}

/** What the contract suites open: an engine on data of its own, on servers that other tests use too. */
export async function openContractEngine(t: TestContext, config: EngineConfig): Promise<ContractEngine & LogEngine> {
  const clock = new ManualClock();
  const own = { REDIS_KEY_PREFIX: `t${randomBytes(6).toString('hex')}:`, ...config };
  const open = () => openForTest(t, own, { clock });
  const engine = await open();
  return {
    log: engine.log,
    feed: engine.feed,
    store: engine.store,
    bus: engine.bus,
    clock,
    reopen: async () => {
      await engine.close();
      return open();
    },
    another: open,
  };
}
