import type { FastifyBaseLogger } from 'fastify';
import type { Connection } from './connection.ts';

/** How often a share of the connections is sent away, ms. */
const STEP_MS = 100;
/** A client told to reconnect gets this long to do so itself before it is closed, ms. */
const LEAVE_MS = 1000;

/** A deploy is not an outage: connections leave evenly over the window, so the other gateways meet a slope, not a wave. */
export class Drain {
  readonly #connections: ReadonlySet<Connection>;
  readonly #log: FastifyBaseLogger;
  started = false;

  constructor(connections: ReadonlySet<Connection>, log: FastifyBaseLogger) {
    this.#connections = connections;
    this.#log = log;
  }

  async run(windowMs: number): Promise<void> {
    if (this.started) return;
    this.started = true;
    const waiting = [...this.#connections];
    if (waiting.length === 0) return;
    this.#log.info({ connections: waiting.length, windowMs }, 'draining');
    // The last are told early enough to go by themselves within the window.
    const tellMs = Math.max(0, windowMs - LEAVE_MS);
    const steps = Math.max(1, Math.floor(tellMs / STEP_MS));
    for (let step = 1; step <= steps && this.#connections.size > 0; step++) {
      const upTo = Math.ceil((waiting.length * step) / steps);
      const from = Math.ceil((waiting.length * (step - 1)) / steps);
      for (const connection of waiting.slice(from, upTo)) {
        if (!connection.closing) connection.send({ type: 'reconnect', afterMs: Math.floor(Math.random() * STEP_MS) });
      }
      if (step < steps) await pause(STEP_MS);
    }
    const deadline = performance.now() + Math.min(LEAVE_MS, windowMs);
    while (this.#connections.size > 0 && performance.now() < deadline) await pause(50);
    for (const connection of [...this.#connections]) connection.close('draining');
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
