import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../../shared/service/clock.ts';
import { CLOCK_SKEW_MS } from '../../shared/service/clock.ts';
import { CallFailure } from './call-failure.ts';
import { ConnectFailed } from './connector.ts';

export interface ReachabilityOptions {
  origin: string;
  clock: Clock;
  log: FastifyBaseLogger;
  /** How many connections are open. */
  open: () => number;
}

/** A line about a refused token is written at most this often, ms: behind a balancer one of many services may refuse for hours. */
const REFUSAL_LINE_MS = 60_000;

/** Tells when messaging can no longer be reached and when it can again: a line for each change, not for each connection or attempt. */
export class Reachability {
  readonly #options: ReachabilityOptions;
  #troubled = false;
  #refusalToldAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReachabilityOptions) {
    this.#options = options;
  }

  get troubled(): boolean {
    return this.#troubled;
  }

  failed(error: unknown): void {
    const { origin, log, open } = this.#options;
    if (this.#troubled || open() > 0) return;
    this.#troubled = true;
    log.warn(`cannot reach messaging at ${origin}: ${reasonOf(error)}; trying until it answers`);
  }

  /**
   * A messaging service does not accept our service token.
   *
   * @param date its `Date` header: what its clock says, to the second
   */
  refused(date: string | undefined): void {
    const { clock, log, open } = this.#options;
    if (open() === 0) this.#troubled = true;
    const at = clock.monotonic();
    if (at - this.#refusalToldAt < REFUSAL_LINE_MS) return;
    this.#refusalToldAt = at;
    const ours = clock.now();
    const theirs = Date.parse(date ?? '');
    const apartMs = Math.abs(theirs - ours);
    const times = `our clock says ${new Date(ours).toISOString()}, its clock ${Number.isNaN(theirs) ? 'nothing' : new Date(theirs).toISOString()}`;
    const cause =
      apartMs > CLOCK_SKEW_MS
        ? `the clocks are ${Math.round(apartMs / 1000)} s apart, and ${CLOCK_SKEW_MS / 1000} s are tolerated`
        : 'SERVICE_TOKEN_SECRET differs';
    log.error(`messaging does not accept our service token: ${cause}; ${times}`);
  }

  succeeded(): void {
    if (!this.#troubled) return;
    this.#troubled = false;
    this.#options.log.info(`messaging at ${this.#options.origin} answers`);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof CallFailure && error.code === 'CHAT_ERR_TIMEOUT') return 'no answer in time';
  const cause = (error instanceof CallFailure ? (error.cause ?? error) : error) as Error;
  return cause instanceof ConnectFailed ? cause.reason : cause.message;
}
