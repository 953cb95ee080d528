import type { FastifyBaseLogger } from 'fastify';
import { sleep } from '../../../shared/service/timers.ts';
import type { Connection } from './connection.ts';

/** How often a share of the connections is sent away, ms. */
const STEP_MS = 100;
/** A client told to reconnect gets this long to do so itself before it is closed, ms. */
const LEAVE_MS = 1000;

/**
 * Sends connections elsewhere, evenly over a window, so the other gateways meet a slope, not a wave: for good when this gateway stops, or
 * for as long as it cannot serve.
 */
export class Drain {
  readonly #connections: ReadonlySet<Connection>;
  readonly #log: FastifyBaseLogger;
  #stopping = false;
  /** The round under way, or over and not taken back; another one, or none, ends it. */
  #round: object | undefined;

  constructor(connections: ReadonlySet<Connection>, log: FastifyBaseLogger) {
    this.#connections = connections;
    this.#log = log;
  }

  /** Whether new connections are refused. */
  get started(): boolean {
    return this.#round !== undefined;
  }

  /** For good. */
  async run(windowMs: number): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await this.#sendAway(windowMs);
  }

  /** Until `takeBack`. */
  async leave(windowMs: number): Promise<void> {
    if (this.#round === undefined) await this.#sendAway(windowMs);
  }

  /** Ends what `leave` began: those that were not told yet stay. */
  takeBack(): void {
    if (!this.#stopping) this.#round = undefined;
  }

  async #sendAway(windowMs: number): Promise<void> {
    const round = {};
    this.#round = round;
    const over = (): boolean => this.#round !== round || this.#connections.size === 0;
    const waiting = [...this.#connections];
    if (waiting.length === 0) return;
    this.#log.info({ connections: waiting.length, windowMs }, 'draining');
    // The last clients are told early enough to leave by themselves within the window.
    const tellMs = Math.max(0, windowMs - LEAVE_MS);
    const steps = Math.max(1, Math.floor(tellMs / STEP_MS));
    for (let step = 1; step <= steps && !over(); step++) {
      const upTo = Math.ceil((waiting.length * step) / steps);
      const from = Math.ceil((waiting.length * (step - 1)) / steps);
      for (const connection of waiting.slice(from, upTo)) {
        if (!connection.closing) connection.send({ type: 'reconnect', afterMs: Math.floor(Math.random() * STEP_MS) });
      }
      if (step < steps) await sleep(STEP_MS);
    }
    const deadline = performance.now() + Math.min(LEAVE_MS, windowMs);
    while (!over() && performance.now() < deadline) await sleep(50);
    if (this.#round === round) for (const connection of [...this.#connections]) connection.close('draining');
  }
}
