import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ChatLoad } from './chat-load.ts';
import { describeRun } from './describe.ts';
import type { FaultContext } from './faults/fault.ts';
import { readFinalState } from './final-state.ts';
import { HistoryWriter } from './history.ts';
import { HistoryChecker, type Verdict } from './judge/history-checker.ts';
import { LatencyMeter } from './latency.ts';
import { ProcessWatch } from './process-watch.ts';
import { seededRandom } from './random.ts';
import { RedisCalls } from './redis-calls.ts';
import { kindOf, type PlannedFault, ScheduleWriter, type Shape, type Step } from './schedule.ts';
import { pause } from './until.ts';
import { LEASE_MS, partsOf, startWorld, type World } from './world.ts';

export interface ChaosOptions {
  shape: Shape;
  /** Takes `history.jsonl`, `schedule.jsonl` and `processes.log`. */
  folder: string;
  /** What goes wrong; asked for the next step when the last one is over. */
  steps: Iterable<Step>;
  /** Asked before each step, with what was reached; false ends the run. */
  goesOn?: (reached: { elapsedMs: number; acknowledged: number; step: Step }) => boolean;
  /** A line for people. */
  print: (line: string) => void;
}

export interface ChaosResult extends Verdict {
  historyPath: string;
  schedulePath: string;
  /** Names of the faults that were injected, in order. */
  faults: string[];
  /** Why the run was given up: the system did not come back, or a fault could not be injected. */
  givenUp?: string;
}

const LIVE_AGAIN_MS = 30_000;
const ANSWERED_MS = 60_000;
/** While nothing else happens, everybody has every acknowledged message so soon. */
const CAUGHT_UP_MS = 5000;
const SEEN_MS = 5 * LEASE_MS;
const BOUNDS = { silenceMs: 60_000, memoryMiB: 400 };

/**
 * Chats at a steady rate while one thing after another breaks, looks at everything while nothing happens after each of them, and judges what
 * everyone was told. Rejects only when the cluster cannot be started; the history and the schedule are written either way.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { shape, folder, print } = options;
  await mkdir(folder, { recursive: true });
  const checker = new HistoryChecker();
  const latency = new LatencyMeter();
  const [historyPath, schedulePath] = [join(folder, 'history.jsonl'), join(folder, 'schedule.jsonl')];
  const history = new HistoryWriter(
    historyPath,
    (record) => checker.take(record),
    (record) => latency.take(record),
  );
  const schedule = new ScheduleWriter(schedulePath, shape);
  const watch = new ProcessWatch(history);
  const world = await startWorld(shape, folder, (process, line) => watch.line(process, line));
  const run = new Run(options, { world, history, schedule, watch, acknowledged: () => checker.acknowledged });
  let givenUp: string | undefined;
  try {
    await run.carryOut();
  } catch (error) {
    givenUp = (error as Error).message;
    print(`given up: ${givenUp}`);
  } finally {
    run.stop();
    // What the end itself does to devices is no part of the run.
    await history.close();
    await schedule.close();
    await run.end();
    await world.stop();
  }
  const verdict = checker.finish();
  print(describeRun(verdict, latency, { historyPath, schedulePath, givenUp }));
  return { ...verdict, historyPath, schedulePath, faults: run.faults, ...(givenUp === undefined ? {} : { givenUp }) };
}

interface Parts {
  world: World;
  history: HistoryWriter;
  schedule: ScheduleWriter;
  watch: ProcessWatch;
  acknowledged: () => number;
}

class Run {
  readonly faults: string[] = [];
  readonly #options: ChaosOptions;
  readonly #parts: Parts;
  readonly #redisCalls: RedisCalls | undefined;
  #load: ChatLoad | undefined;

  constructor(options: ChaosOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    if (options.shape.engine === 'redis') this.#redisCalls = new RedisCalls(partsOf(parts.world).cluster().redis);
  }

  async carryOut(): Promise<void> {
    const { shape, steps, goesOn = () => true } = this.#options;
    const load = await this.#begin();
    const begin = performance.now();
    for (const step of steps) {
      if (!goesOn({ elapsedMs: performance.now() - begin, acknowledged: this.#parts.acknowledged(), step })) break;
      this.#parts.schedule.add(step);
      await pause(shape.calmMs);
      await this.#carryOutStep(step, load);
    }
    await pause(shape.calmMs);
    await this.#calm(load);
    // One message more into each conversation, and none after it.
    load.sayEverywhere();
    await this.#calm(load);
    await readFinalState(load, CAUGHT_UP_MS);
  }

  stop(): void {
    this.#redisCalls?.stop();
    this.#load?.stop();
  }

  async end(): Promise<void> {
    await this.#load?.close();
  }

  async #begin(): Promise<ChatLoad> {
    const { print, shape } = this.#options;
    const { world, history } = this.#parts;
    const { seed, users, groups, groupSize, halls, rate, churn } = shape;
    // Faults draw from numbers of their own, so that they do not depend on what is sent.
    const random = seededRandom(seed);
    const load = await ChatLoad.prepare({ demo: world.demo, history, random, users, groups, groupSize, halls, rate, churn });
    this.#load = load;
    const clients = `${load.devices.length} devices of ${users} users in ${load.conversations.size} conversations, ${rate} messages and changes/s, ${churn} come or go/s`;
    print(`chaos, seed ${seed}: ${world.about}; ${clients}`);
    history.write({ kind: 'run', seed, about: `${world.about}; ${clients}`, bounds: BOUNDS });
    await this.#redisCalls?.start();
    await load.connect();
    load.start();
    return load;
  }

  async #carryOutStep({ step, faults }: Step, load: ChatLoad): Promise<void> {
    await Promise.all(faults.map((fault) => this.#inject(step, fault, load)));
    await load.allLive(LIVE_AGAIN_MS);
    await this.#parts.world.balanced();
    await this.#calm(load);
    load.start();
  }

  async #inject(step: number, { fault, afterMs, params }: PlannedFault, load: ChatLoad): Promise<void> {
    const { world, history } = this.#parts;
    const parts = partsOf(world);
    const calls = this.#redisCalls;
    await pause(afterMs);
    this.faults.push(fault);
    const begin = history.now;
    history.write({ kind: 'fault', fault, phase: 'begin', detail: JSON.stringify(params) });
    const expected: { text: string; processes: readonly { name: string }[] }[] = [];
    const before = world.services;
    const context: FaultContext = {
      get cluster() {
        return parts.cluster();
      },
      get system() {
        return parts.system();
      },
      get redisCalls() {
        if (calls === undefined) throw new Error('this run has no Redis');
        return calls;
      },
      ...{ load, drainSeconds: this.#options.shape.drainSeconds },
      expectLog: (text, processes) => expected.push({ text, processes }),
      calm: () => this.#calm(load),
    };
    let detail = 'failed';
    try {
      detail = await kindOf(fault).inject(context, params);
      // A fault of the same step may have replaced some of them: their successors were there for a part of the time.
      const successors = world.services.filter(({ name }) => !before.some((one) => one.name === name));
      for (const { text, processes } of expected) {
        const names = new Set([...processes, ...successors].map(({ name }) => name));
        history.write({ kind: 'expects', fault, since: begin, text, processes: [...names] });
      }
    } catch (error) {
      throw new Error(`step ${step}, ${fault} ${JSON.stringify(params)}: ${(error as Error).message}`, { cause: error });
    } finally {
      history.write({ kind: 'fault', fault, phase: 'end', detail });
    }
    const times = `${(begin / 1000).toFixed(1).padStart(6)} to ${(history.now / 1000).toFixed(1).padStart(6)} s`;
    this.#options.print(`${times}  ${step}. ${fault}: ${detail}`);
  }

  /**
   * Nobody asks for anything any more. When all is answered, everybody has everything and sees everybody within the bounds; whether it came
   * to that is for the checker to judge.
   */
  async #calm(load: ChatLoad): Promise<void> {
    const { history, watch, world } = this.#parts;
    load.stop();
    await load.allLive(LIVE_AGAIN_MS);
    await load.answered(ANSWERED_MS);
    const since = history.now;
    await load.caughtUp(CAUGHT_UP_MS).catch(() => {});
    await load.allSeen(SEEN_MS).catch(() => {});
    history.write({ kind: 'calm', quietMs: history.now - since });
    await watch.look(await world.processes());
  }
}
