import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { countProblems } from './judge/problem.ts';
import { type Options, shapeOf } from './options.ts';
import { type ChaosResult, runChaos } from './run.ts';
import { planStep, type Step } from './schedule.ts';

/** What all legs together have reached: the file that a campaign goes on from. */
export interface CampaignState {
  /** The first leg has this seed, each after it the next. */
  seed: number;
  legs: number;
  minutes: number;
  acknowledged: number;
  given: number;
  changes: number;
  calms: number;
  /** How often each fault came. */
  faults: Record<string, number>;
  /** What broke, by kind, and where to look. */
  problems: Record<string, number>;
  failed: { seed: number; schedule: string; why: string }[];
  longestSilenceMs: number;
}

/** Leg after leg, each on a cluster of its own, until so many sends were acknowledged. What a leg reached counts when it is over. */
export class Campaign {
  readonly state: CampaignState;
  readonly #path: string;
  readonly #options: Options;

  private constructor(path: string, options: Options, state: CampaignState) {
    this.#path = path;
    this.#options = options;
    this.state = state;
  }

  /** Goes on from the state in the file, or begins. */
  static async resume(path: string, options: Options): Promise<Campaign> {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const state = text === undefined ? beginning(options.seed) : (JSON.parse(text) as CampaignState);
    return new Campaign(path, options, state);
  }

  /** Resolves with whether no promise was broken in any leg. */
  async carryOut(target: number, folder: string, print: (line: string) => void): Promise<boolean> {
    const { state } = this;
    while (state.acknowledged < target) {
      const seed = state.seed + state.legs;
      const begin = performance.now();
      const legFolder = join(folder, `leg-${seed}`);
      const result = await this.#leg(seed, target, legFolder, print);
      const failedBefore = state.failed.length;
      count(state, seed, result, performance.now() - begin);
      // A history is large, and of one that is good nobody wants to know more.
      if (state.failed.length === failedBefore) await rm(legFolder, { recursive: true });
      await writeFile(`${this.#path}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
      await rename(`${this.#path}.new`, this.#path);
      print(`\n${state.acknowledged} of ${target} acknowledged after ${state.legs} legs; state: ${this.#path}\n`);
    }
    print(figuresTable(state));
    return state.failed.length === 0;
  }

  #leg(seed: number, target: number, folder: string, print: (line: string) => void): Promise<ChaosResult> {
    const { faults, minutes } = this.#options;
    const shape = shapeOf(this.#options, seed);
    const still = target - this.state.acknowledged;
    return runChaos({
      ...{ shape, folder, print },
      steps: steps(),
      goesOn: ({ elapsedMs, acknowledged }) => elapsedMs < minutes * 60_000 && acknowledged < still,
    });
    function* steps(): Generator<Step> {
      for (let step = 0; ; step++) yield planStep(shape, step, faults);
    }
  }
}

export function beginning(seed: number): CampaignState {
  return {
    ...{ seed, legs: 0, minutes: 0, acknowledged: 0, given: 0, changes: 0, calms: 0 },
    ...{ faults: {}, problems: {}, failed: [], longestSilenceMs: 0 },
  };
}

/** Adds what a leg reached. */
export function count(state: CampaignState, seed: number, result: ChaosResult, ms: number): void {
  const { counts, figures, problems, givenUp } = result;
  state.legs++;
  state.minutes = Math.round((state.minutes + ms / 60_000) * 10) / 10;
  state.acknowledged += counts.acknowledged;
  state.given += counts.given;
  state.changes += Object.values(counts.changes).reduce((sum, changes) => sum + changes, 0);
  state.calms += figures.calms;
  state.longestSilenceMs = Math.max(state.longestSilenceMs, Math.round(figures.longestSilence?.ms ?? 0));
  for (const fault of result.faults) state.faults[fault] = (state.faults[fault] ?? 0) + 1;
  // A run that was given up lacks what is needed to judge the rest of it.
  const found = givenUp === undefined ? countProblems(problems) : { 'given up': 1 };
  for (const [kind, times] of Object.entries(found)) state.problems[kind] = (state.problems[kind] ?? 0) + times;
  if (Object.keys(found).length > 0) state.failed.push({ seed, schedule: result.schedulePath, why: givenUp ?? problems[0]?.message ?? '' });
}

/** The figures as docs/reference/chaos.md shows them. */
export function figuresTable(state: CampaignState): string {
  const { problems, faults } = state;
  const rows: [string, number | string][] = [
    ['legs, each on a new cluster', state.legs],
    ['minutes', state.minutes],
    ['faults', Object.values(faults).reduce((sum, times) => sum + times, 0)],
    ['looked at in a calm', state.calms],
    ['sends acknowledged', state.acknowledged],
    ['changes acknowledged', state.changes],
    ['events given to devices', state.given],
    ...SHOWN.map((kind): [string, number] => [kind, problems[kind] ?? 0]),
    ['other problems', Object.entries(problems).reduce((sum, [kind, times]) => sum + (SHOWN.includes(kind) ? 0 : times), 0)],
    ['longest silence of a client', `${(state.longestSilenceMs / 1000).toFixed(1)} s`],
  ];
  const kinds = Object.entries(faults).sort(([a], [b]) => a.localeCompare(b));
  return [...table('what', rows), '', ...table('fault', kinds)].join('\n');
}

const SHOWN = ['lost', 'doubled', 'reordered', 'gap', 'hole', 'not-member', 'presence'];

function table(what: string, rows: readonly (readonly [string, number | string])[]): string[] {
  return [`| ${what} | |`, '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${value} |`)];
}
