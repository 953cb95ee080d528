import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Fault, FaultParams } from './faults/fault.ts';
import { type Engine, FAULTS } from './faults/index.ts';
import { pick, seededRandom, shuffled } from './random.ts';

/** How a run is laid out, apart from what goes wrong. */
export interface Shape {
  engine: Engine;
  seed: number;
  users: number;
  groups: number;
  groupSize: number;
  /** Groups of everybody in which nobody says anything, but when a crowd rejoins. */
  halls: number;
  /** Messages and changes per second. */
  rate: number;
  /** Users put out of a group or let in, per second. */
  churn: number;
  /** Between two steps, ms. */
  calmMs: number;
  /** The usual length of a cut or a freeze, ms. */
  cutMs: number;
  drainSeconds: number;
}

/** One fault, in all that is decided about it. */
export interface PlannedFault {
  fault: string;
  /** After the step began, ms. */
  afterMs: number;
  params: FaultParams;
}

/** Faults that come together. */
export interface Step {
  step: number;
  faults: PlannedFault[];
}

/** A run that can be repeated: its shape and its steps. */
export interface Schedule {
  shape: Shape;
  steps: Step[];
}

/** Of the steps, so many have a second fault. */
const TWO_AT_ONCE = 0.3;
const SECOND_AFTER_MS = [0, 300, 1500];

/**
 * A step by its number: each fault once in an order of the seed, then each once again in another order, without end. Nothing but the seed, the
 * shape and the number decides, so the same step of another run is the same.
 */
export function planStep(shape: Pick<Shape, 'seed' | 'cutMs'>, step: number, names: readonly string[], kinds = FAULTS): Step {
  const { seed, cutMs } = shape;
  const round = Math.floor(step / names.length);
  const order = shuffled(seededRandom(mixed(seed, round, 1)), names);
  const name = order[step % names.length]!;
  const random = seededRandom(mixed(seed, step, 2));
  const plan = (fault: string, afterMs: number): PlannedFault => ({ fault, afterMs, params: kindOf(fault, kinds).draw({ random, cutMs }) });
  const faults = [plan(name, 0)];
  const beside = names.filter((other) => disjoint(kindOf(name, kinds), kindOf(other, kinds)));
  if (random() < TWO_AT_ONCE && beside.length > 0) faults.push(plan(pick(random, beside), pick(random, SECOND_AFTER_MS)));
  return { step, faults };
}

export function kindOf(name: string, kinds: Record<string, Fault> = FAULTS): Fault {
  const kind = kinds[name];
  if (kind === undefined) throw new Error(`there is no fault "${name}"`);
  return kind;
}

function disjoint(one: Fault, other: Fault): boolean {
  return one.parts.every((part) => !other.parts.includes(part));
}

/** Seeds that are near each other give numbers that are not. */
function mixed(...numbers: number[]): number {
  return numbers.reduce((hash, number) => Math.imul(hash ^ number, 0x9e3779b1) ^ (hash >>> 15), 0x85ebca6b) >>> 0;
}

/** Writes a schedule down while it is carried out: JSON lines, the shape first. */
export class ScheduleWriter {
  readonly #stream: WriteStream;

  constructor(path: string, shape: Shape) {
    this.#stream = createWriteStream(path);
    this.#line({ shape });
  }

  add(step: Step): void {
    this.#line(step);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#stream.end(resolve));
  }

  #line(value: object): void {
    this.#stream.write(`${JSON.stringify(value)}\n`);
  }
}

export async function readSchedule(path: string): Promise<Schedule> {
  const steps: Step[] = [];
  let shape: Shape | undefined;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line.trim() === '') continue;
    const value = JSON.parse(line) as { shape: Shape } | Step;
    if ('shape' in value) shape = value.shape;
    else steps.push(value);
  }
  if (shape === undefined) throw new Error(`${path} is no schedule: it does not begin with a shape`);
  for (const { faults } of steps) for (const { fault } of faults) kindOf(fault);
  return { shape, steps };
}
