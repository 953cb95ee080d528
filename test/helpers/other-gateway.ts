import type { Bus } from '../../engine/bus.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { topics } from '../../shared/topics.ts';

/** Another gateway, as far as the bus can tell. */
export class OtherGateway {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #id: string;
  #version = 0;

  constructor(bus: Bus, clock: Clock, id = 'another-gateway') {
    this.#bus = bus;
    this.#clock = clock;
    this.#id = id;
  }

  async renew(leaseMs: number): Promise<void> {
    await this.#bus.presence.renew(this.#id, leaseMs, 0);
  }

  /** The user has a connection there, and nobody has been told. */
  async has(userId: string): Promise<void> {
    await this.#bus.presence.set(this.#id, [{ userId, version: ++this.#version, online: true, at: this.#clock.now() }]);
  }

  async announce(userId: string): Promise<void> {
    await this.has(userId);
    await this.#bus.publish(topics.presence(userId), JSON.stringify({ userId, gatewayId: this.#id, version: this.#version, online: true }));
  }
}
