import type { FastifyBaseLogger } from 'fastify';
import type { SessionStore } from '../../../engine/store.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import type { MessagingApi } from '../../messaging-client/messaging-api.ts';
import type { TopicJoiner } from './topic-joiner.ts';
import type { LocalUser, UserDirectory } from './user-directory.ts';

/** Every user is looked at once in this time, in case a message on their topic was lost without a trace. */
const ROUND_MS = 10 * 60_000;
/** Users looked at side by side while all are. */
const CONCURRENT = 32;

/** Looks up what messages on a user's own topic tell, had they all come through: sessions that were revoked, conversations that became active. */
export class Audit {
  readonly #users: UserDirectory;
  readonly #sessions: SessionStore;
  readonly #messaging: MessagingApi;
  readonly #joiner: TopicJoiner;
  readonly #clock: Clock;
  readonly #log: FastifyBaseLogger;
  #running: Promise<void> | undefined;
  #again = false;
  #round: Iterator<LocalUser> | undefined;
  #roundBusy = false;

  constructor(options: {
    users: UserDirectory;
    sessions: SessionStore;
    messaging: MessagingApi;
    joiner: TopicJoiner;
    clock: Clock;
    log: FastifyBaseLogger;
  }) {
    this.#users = options.users;
    this.#sessions = options.sessions;
    this.#messaging = options.messaging;
    this.#joiner = options.joiner;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Everyone. Asked for while one is under way, another follows it, and both resolve when that is done. */
  everyone(): Promise<void> {
    if (this.#running === undefined) this.#running = this.#everyone();
    else this.#again = true;
    return this.#running;
  }

  async #everyone(): Promise<void> {
    do {
      this.#again = false;
      await this.#look([...this.#users.values()]);
    } while (this.#again);
    // In the same turn as the last look at `again`: whoever asks from here on starts a new one.
    this.#running = undefined;
  }

  async #look(users: readonly LocalUser[]): Promise<void> {
    // First who must not hear a word more; then who may have missed some.
    await this.#each(users, (user) => this.#closeRevoked(user));
    await this.#each(users, (user) => this.#followActive(user));
  }

  async #each(users: readonly LocalUser[], look: (user: LocalUser) => Promise<void>): Promise<void> {
    const left = users.values();
    const failures: unknown[] = [];
    const work = async (): Promise<void> => {
      for (const user of left) await look(user).catch((error) => failures.push(error));
    };
    await Promise.all(Array.from({ length: Math.min(CONCURRENT, users.length) }, work));
    // One line, not one a user: what fails, fails for many.
    if (failures.length > 0)
      this.#log.warn({ err: failures[0], failures: failures.length }, 'users could not be audited; the next round will');
  }

  /** The part of a round that is due after so many ms. */
  async part(ms: number): Promise<void> {
    if (this.#roundBusy) return;
    this.#roundBusy = true;
    const due: LocalUser[] = [];
    for (let left = Math.ceil((this.#users.size * ms) / ROUND_MS); left > 0; left--) {
      this.#round ??= this.#users.values()[Symbol.iterator]();
      const next = this.#round.next();
      if (next.done === true) {
        this.#round = undefined;
        break;
      }
      due.push(next.value);
    }
    await this.#look(due);
    this.#roundBusy = false;
  }

  async #closeRevoked(user: LocalUser): Promise<void> {
    for (const connection of [...user.connections]) {
      if ((await this.#sessions.session(connection.sessionId, this.#clock.now())) === undefined) connection.close('revoked');
    }
  }

  async #followActive(user: LocalUser): Promise<void> {
    if (user.connections.length === 0) return;
    const conversations = await this.#messaging.active(user.userId);
    for (const conversation of conversations) this.#joiner.notify(user.connections, conversation);
  }
}
