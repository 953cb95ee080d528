import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TestCluster } from '../helpers/cluster.ts';
import { ChatLoad } from './chat-load.ts';
import { FAULTS, type FaultContext } from './faults.ts';
import { HistoryWriter } from './history.ts';
import { HistoryChecker, type Verdict } from './judge/history-checker.ts';
import { describeProblems } from './judge/problem.ts';
import { LatencyMeter, type Percentiles } from './latency.ts';
import { pick, seededRandom, shuffled } from './random.ts';
import { RedisCalls } from './redis-calls.ts';
import { pause } from './until.ts';

export interface ChaosOptions {
  seed: number;
  /** Takes `history.jsonl` and `processes.log`. */
  folder: string;
  users: number;
  groups: number;
  groupSize: number;
  /** Messages and changes per second. */
  rate: number;
  /** Users put out of a group or let in, per second. */
  churn: number;
  /** After every fault has come once, random ones follow until this much time is over, ms. */
  durationMs: number;
  /** Between two faults, ms. */
  calmMs: number;
  cutMs: number;
  drainSeconds: number;
  /** Names of FAULTS; all of them unless given. */
  faults?: readonly string[];
  /** A line for people. */
  print: (line: string) => void;
}

export interface ChaosResult extends Verdict {
  historyPath: string;
  /** Faults that were injected, in order. */
  faults: string[];
}

const LIVE_AGAIN_MS = 30_000;
const SETTLE_MS = 60_000;
/** Short, so that what a gateway that died said of its users has mostly lapsed when it is looked at, after the calm. */
const LEASE_MS = 2000;
const SEEN_MS = 5 * LEASE_MS;

/**
 * Chats at a steady rate while one thing after another breaks, and judges what everyone was told. Rejects when the system does not come back;
 * the history is written either way.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, folder, rate, print } = options;
  await mkdir(folder, { recursive: true });
  const checker = new HistoryChecker();
  const latency = new LatencyMeter();
  const historyPath = join(folder, 'history.jsonl');
  const history = new HistoryWriter(
    historyPath,
    (record) => checker.take(record),
    (record) => latency.take(record),
  );
  const random = seededRandom(seed);
  const cluster = await TestCluster.start({
    drainSeconds: options.drainSeconds,
    log: join(folder, 'processes.log'),
    gatewayEnv: { MESSAGING_CONNECTION_MAX_AGE_MS: '10000', PRESENCE_LEASE_MS: `${LEASE_MS}`, PRESENCE_GRACE_MS: '1000' },
  });
  const redisCalls = new RedisCalls(cluster.redis);
  let load: ChatLoad | undefined;
  const faults: string[] = [];
  try {
    const { users, groups, groupSize, churn } = options;
    load = await ChatLoad.prepare({ demo: cluster.demo, history, random, users, groups, groupSize, rate, churn });
    const shape = `${cluster.gateways.length} gateways, ${cluster.messaging.length} messaging, ${cluster.redis.nodes.length} Redis nodes`;
    const clients = `${load.devices.length} devices of ${users} users in ${load.conversations.size} conversations, ${rate} messages and changes/s, ${churn} come or go/s`;
    print(`chaos, seed ${seed}: ${shape}; ${clients}`);
    history.write({ kind: 'run', seed, about: `${shape}; ${clients}` });
    await redisCalls.start();
    await load.connect();
    load.start();
    const context: FaultContext = { cluster, load, redisCalls, random, cutMs: options.cutMs, drainSeconds: options.drainSeconds };
    for (const fault of faultPlan(random, options.faults ?? Object.keys(FAULTS), options.durationMs)) {
      await pause(options.calmMs);
      await load.allSeen(SEEN_MS);
      faults.push(fault);
      await inject(fault, context, history, print);
    }
    await pause(options.calmMs);
    load.stop();
    await load.settle(SETTLE_MS);
    // Whether it comes to that is for the checker to judge.
    await load.allSeen(SEEN_MS).catch(() => {});
  } catch (error) {
    print(`given up: ${(error as Error).message}`);
    print(describeHistory({ ...checker.finish(), problems: [] }, latency, historyPath).replace(/\n.*$/, ''));
    throw error;
  } finally {
    redisCalls.stop();
    load?.stop();
    await history.close();
    await load?.close();
    await cluster.stop();
  }
  const verdict = checker.finish();
  print(describeHistory(verdict, latency, historyPath));
  return { ...verdict, historyPath, faults };
}

/** Every fault once, in an order of the seed, and then any until the time is over. */
function* faultPlan(random: () => number, names: readonly string[], durationMs: number): Generator<string> {
  const end = performance.now() + durationMs;
  yield* shuffled(random, names);
  while (performance.now() < end) yield pick(random, names);
}

async function inject(name: string, context: FaultContext, history: HistoryWriter, print: (line: string) => void): Promise<void> {
  const begin = history.now;
  history.write({ kind: 'fault', fault: name, phase: 'begin', detail: '' });
  const detail = await FAULTS[name]!(context);
  await context.load.allLive(LIVE_AGAIN_MS);
  await context.cluster.balanced();
  history.write({ kind: 'fault', fault: name, phase: 'end', detail });
  const times = `${(begin / 1000).toFixed(1).padStart(6)} to ${(history.now / 1000).toFixed(1).padStart(6)} s`;
  print(`${times}  ${name}: ${detail}`);
}

function describeHistory({ counts, problems }: Verdict, latency: LatencyMeter, path: string): string {
  const { sent, acknowledged, refused, given, stored, resets, changes, watched } = counts;
  const lines = [
    `sent ${sent}, acknowledged ${acknowledged}, from outside ${refused}, given to devices ${given}, in the logs ${stored}, resets ${resets}`,
    `changed: ${Object.entries(changes)
      .map(([event, count]) => `${event} ${count}`)
      .join(', ')}; watched ${watched}`,
  ];
  for (const what of ['ack', 'delivery'] as const) {
    for (const when of ['calm', 'fault'] as const) {
      const found = latency.percentiles(what, when);
      if (found !== undefined) lines.push(`${`send to ${what}`.padEnd(16)} ${when.padEnd(5)} ${describePercentiles(found)}`);
    }
  }
  return [...lines, `history: ${path}`, describeProblems(problems)].join('\n');
}

function describePercentiles({ count, p50, p95, p99, max }: Percentiles): string {
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)}`.padStart(6);
  return `p50 ${ms(p50)}  p95 ${ms(p95)}  p99 ${ms(p99)}  max ${ms(max)} ms  (${count})`;
}
