import type { UserId } from '../../../shared/primitives.ts';
import type { Connection } from '../transport/connection.ts';

/** A user with at least one connection here. */
export interface LocalUser {
  readonly userId: UserId;
  readonly connections: Connection[];
  /** Resolves when the user's own topic is followed. */
  subscribed: Promise<void>;
  /** Resolves when the user was notified of all membership changes so far. One waits for a read, and the next must not overtake it. */
  notified: Promise<void>;
}

const NOTHING = Promise.resolve();

/** Who is connected to this gateway. */
export class UserDirectory {
  readonly #users = new Map<UserId, LocalUser>();

  get size(): number {
    return this.#users.size;
  }

  get(userId: UserId): LocalUser | undefined {
    return this.#users.get(userId);
  }

  values(): Iterable<LocalUser> {
    return this.#users.values();
  }

  /** True when it is the user's first connection here. */
  add(connection: Connection): { user: LocalUser; first: boolean } {
    const known = this.#users.get(connection.userId);
    if (known !== undefined) {
      known.connections.push(connection);
      return { user: known, first: false };
    }
    const user: LocalUser = { userId: connection.userId, connections: [connection], subscribed: Promise.resolve(), notified: NOTHING };
    this.#users.set(connection.userId, user);
    return { user, first: true };
  }

  /** True when it was the user's last connection here. */
  remove(connection: Connection): boolean {
    const user = this.#users.get(connection.userId);
    const at = user?.connections.indexOf(connection) ?? -1;
    if (user === undefined || at < 0) return false;
    user.connections.splice(at, 1);
    if (user.connections.length > 0) return false;
    this.#users.delete(connection.userId);
    return true;
  }
}
