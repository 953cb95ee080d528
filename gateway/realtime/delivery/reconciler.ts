import type { FastifyBaseLogger } from 'fastify';
import type { SessionStore } from '../../../engine/store.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import type { MessagingApi } from '../../messaging-client/messaging-api.ts';
import type { TopicJoiner } from './topic-joiner.ts';
import type { LocalUser, UserDirectory } from './user-directory.ts';

/** Every user is reconciled once in this time, in case a message on their topic was lost and nobody noticed. */
const ROUND_MS = 10 * 60_000;
/** Users reconciled side by side while all are. */
const CONCURRENT = 32;

/**
 * Re-reads what a user's topic would have said, in case a message was lost: which sessions were revoked and which conversations became
 * active.
 */
export class Reconciler {
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

  /** Reconciles all users. A call during a pass makes another pass follow, and both calls resolve after that one. */
  reconcileAll(): Promise<void> {
    if (this.#running === undefined) this.#running = this.#reconcileAll();
    else this.#again = true;
    return this.#running;
  }

  async #reconcileAll(): Promise<void> {
    do {
      this.#again = false;
      await this.#look([...this.#users.values()]);
    } while (this.#again);
    // This runs in the same turn as the last check of `again`, so a later call starts a new pass.
    this.#running = undefined;
  }

  async #look(users: readonly LocalUser[]): Promise<void> {
    // Close revoked sessions first. Then repair users who may have missed events.
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
    // One line, not one for each user: a failure hits many users at once.
    if (failures.length > 0)
      this.#log.warn({ err: failures[0], failures: failures.length }, 'users could not be reconciled; the next round tries again');
  }

  /** Reconciles the share of the users that is due after so many ms. */
  async reconcilePart(ms: number): Promise<void> {
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
