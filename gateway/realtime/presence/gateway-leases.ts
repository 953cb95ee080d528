import type { FastifyBaseLogger } from 'fastify';
import type { GatewayLease, PresenceLeases, PresenceRecord } from '../../../engine/bus.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import { Retry } from './retry.ts';

export interface GatewayLeasesOptions {
  gatewayId: string;
  presence: PresenceLeases;
  clock: Clock;
  log: FastifyBaseLogger;
  leaseMs: number;
  /** The longest time between two renewals, ms. */
  beatMs: number;
  /** Records of this gateway below this version are void. */
  floor: () => number;
  /** Which gateways are alive, or which records count, may have changed. */
  onChange: () => void;
  /** This gateway has a new lease, because the old one had lapsed or was lost. The store may have dropped what was announced before. */
  onBegin: () => void;
}

/**
 * Renews this gateway's lease, and knows which gateways are alive: only the store says so, by its own clock.
 *
 * Questions to the store are numbered. An answer to an earlier question than one already answered is old and does not count.
 */
export class GatewayLeases {
  readonly #options: GatewayLeasesOptions;
  readonly #retry: Retry;
  #leases: ReadonlyMap<string, GatewayLease> = new Map();
  #asked = 0;
  #adopted = 0;
  #since: number | undefined;

  constructor(options: GatewayLeasesOptions) {
    this.#options = options;
    this.#retry = new Retry(options.beatMs);
    this.#retry.request();
  }

  /** The number of the last question. What is heard now may be newer than its answer. */
  get asked(): number {
    return this.#asked;
  }

  /** Whether the store has said who is alive. */
  get known(): boolean {
    return this.#adopted > 0;
  }

  /** Numbers a question to the store. */
  ask(): number {
    return ++this.#asked;
  }

  /** The next `tick` asks who is alive. */
  request(): void {
    this.#retry.request();
  }

  tick(): void {
    if (this.#retry.isDue(this.#options.clock.monotonic())) void this.#renew();
  }

  async #renew(): Promise<void> {
    const { gatewayId, presence, clock, log, leaseMs } = this.#options;
    const asked = this.ask();
    this.#retry.started(clock.monotonic());
    try {
      const leases = await presence.renew(gatewayId, leaseMs, this.#options.floor());
      // A lease that is not renewed is looked at again at the moment it ends.
      const ends = leases.flatMap(({ remainingMs }) => (remainingMs > 0 ? [remainingMs] : []));
      this.#retry.succeeded(clock.monotonic() + Math.min(...ends));
      this.adopt(asked, leases);
    } catch (error) {
      this.#retry.failed(clock.monotonic());
      log.warn({ err: error }, 'the presence lease could not be renewed and will be tried again');
    }
  }

  /** Takes over an answer. */
  adopt(asked: number, leases: readonly GatewayLease[]): void {
    if (asked <= this.#adopted) return;
    this.#adopted = asked;
    const before = this.#leases;
    this.#leases = new Map(leases.map((lease) => [lease.gatewayId, lease]));
    const since = this.#leases.get(this.#options.gatewayId)?.since ?? this.#since;
    const began = this.#since !== since;
    this.#since = since;
    if (began) this.#options.onBegin();
    if (!alike(before, this.#leases)) this.#options.onChange();
  }

  /** Whether a gateway is alive. This one always is: a lapsed lease of its own is only not renewed yet. */
  isAlive(gatewayId: string): boolean {
    return gatewayId === this.#options.gatewayId || isLive(this.#leases.get(gatewayId));
  }

  /** Whether a record makes its user online. */
  counts({ gatewayId, version, online }: PresenceRecord): boolean {
    return online && this.isAlive(gatewayId) && version >= (this.#leases.get(gatewayId)?.floor ?? 0);
  }

  /** Whether the store, asked after a gateway was heard, did not know it: it never had a lease, or went long ago. */
  forgot(gatewayId: string, heard: number): boolean {
    return heard < this.#adopted && !this.isAlive(gatewayId) && !this.#leases.has(gatewayId);
  }

  /** When the lease of a gateway that is not alive ended, Unix ms; undefined if nobody remembers. */
  endedAt(gatewayId: string): number | undefined {
    return this.isAlive(gatewayId) ? undefined : this.#leases.get(gatewayId)?.endsAt;
  }
}

const isLive = (lease: GatewayLease | undefined): boolean => lease !== undefined && lease.remainingMs > 0;

function alike(a: ReadonlyMap<string, GatewayLease>, b: ReadonlyMap<string, GatewayLease>): boolean {
  if (a.size !== b.size) return false;
  for (const [gatewayId, lease] of a) {
    const other = b.get(gatewayId);
    if (other === undefined || isLive(lease) !== isLive(other) || lease.floor !== other.floor) return false;
  }
  return true;
}
