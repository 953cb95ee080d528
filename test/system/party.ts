import type { Demo } from '../../bin/demo.ts';
import { type Cursors, JudgedSocket } from '../helpers/judged-socket.ts';
import { partner } from '../helpers/system-process.ts';
import { heardOutside, memberSince, readLog } from './stored-log.ts';

/** One thing that a guest does, or that is done to a guest. */
export interface Action {
  what: 'sync' | 'send' | 'add' | 'remove' | 'leave' | 'reconnect';
  guest: number;
  group: number;
  back: number;
  waits: boolean;
}

interface Guest {
  userId: string;
  socket: JudgedSocket;
  /** What has to be over before the next sync or reconnect of this guest: one at a time. */
  busy: Promise<void>;
}

const GUESTS = 3;
const GROUPS = 6;

let parties = 0;

/** A host who stays, guests who come and go, and six groups. Guests keep their cursors when they connect again. */
export class Party {
  readonly #gateway: Demo;
  readonly #hostId: string;
  readonly #host: JudgedSocket;
  readonly #guests: Guest[];
  readonly #groupIds: string[];
  /** Connections that guests have left. */
  readonly #left: JudgedSocket[] = [];
  readonly #works: Promise<unknown>[] = [];

  private constructor(gateway: Demo, host: JudgedSocket, guests: Guest[], groupIds: string[]) {
    this.#gateway = gateway;
    this.#hostId = host.userId;
    this.#host = host;
    this.#guests = guests;
    this.#groupIds = groupIds;
  }

  static async start(gateway: Demo): Promise<Party> {
    const party = ++parties;
    const userIds = Array.from({ length: GUESTS }, (_, i) => `guest-${i + 1}-of-party-${party}`);
    const hostId = `host-of-party-${party}`;
    const host = await JudgedSocket.signIn(gateway, hostId);
    const groups = await Promise.all(Array.from({ length: GROUPS }, () => partner(gateway).group(hostId, userIds)));
    await host.sync();
    const sockets = await Promise.all(userIds.map((userId) => JudgedSocket.signIn(gateway, userId)));
    const guests = sockets.map((socket) => ({ userId: socket.userId, socket, busy: Promise.resolve() }));
    return new Party(
      gateway,
      host,
      guests,
      groups.map(({ id }) => id),
    );
  }

  /** Begins an action; resolves when it is answered, be it by a refusal. */
  act({ what, guest: number, group, back }: Action): Promise<void> {
    const guest = this.#guests[number - 1]!;
    const id = this.#groupIds[group]!;
    const work = this.#begin(what, guest, id, back).then(() => undefined);
    this.#works.push(work);
    return work;
  }

  #begin(what: Action['what'], guest: Guest, id: string, back: number): Promise<unknown> {
    const rest = partner(this.#gateway);
    // Refusals are right here: of who is a member already, or no member any more.
    switch (what) {
      case 'sync':
        return this.#alone(guest, () => guest.socket.syncOrFault(this.#cursors(guest, back)));
      case 'reconnect':
        return this.#alone(guest, () => this.#reconnect(guest));
      case 'send':
        return guest.socket.send(id).catch(() => undefined);
      case 'add':
        return rest
          .call('POST', `/conversations/${id}/members`, { members: [{ userId: guest.userId }] }, this.#hostId)
          .catch(() => undefined);
      case 'remove':
        return rest.call('DELETE', `/conversations/${id}/members/${guest.userId}`, undefined, this.#hostId).catch(() => undefined);
      case 'leave':
        return rest.call('DELETE', `/conversations/${id}/members/${guest.userId}`, undefined, guest.userId).catch(() => undefined);
    }
  }

  #alone(guest: Guest, work: () => Promise<unknown>): Promise<void> {
    guest.busy = guest.busy.then(work).then(() => undefined);
    return guest.busy;
  }

  #cursors({ socket }: Guest, back: number): Cursors {
    const cursors: Cursors = {};
    for (const id of this.#groupIds) {
      const cursor = socket.cursor(id);
      if (cursor !== undefined) cursors[id] = { seq: Math.max(1, cursor.seq - back), epoch: cursor.epoch };
    }
    return cursors;
  }

  async #reconnect(guest: Guest): Promise<void> {
    const cursors = this.#cursors(guest, 0);
    await guest.socket.leave();
    this.#left.push(guest.socket);
    guest.socket = await JudgedSocket.signIn(this.#gateway, guest.userId);
    await guest.socket.syncOrFault(cursors);
  }

  /** Waits for what is under way, sends last messages, and resolves with all that was wrong. */
  async finish(): Promise<string[]> {
    await Promise.all(this.#works);
    // A sync now would heal what went wrong before: only who has none yet makes one.
    await Promise.all(this.#guests.map(({ socket }) => (socket.hasSynced ? undefined : socket.syncOrFault({}))));
    const wrong: string[] = [];
    for (const id of this.#groupIds) {
      const { seq } = await this.#host.send(id);
      const log = await readLog(this.#gateway, id, this.#hostId);
      const members = this.#guests.filter(({ userId }) => memberSince(log, userId) !== undefined);
      for (const socket of [this.#host, ...members.map((guest) => guest.socket)]) {
        if (!(await socket.holds(() => socket.heard(id).includes(seq)))) {
          wrong.push(`${socket.userId} did not hear ${seq} of ${id}; was told: ${socket.told(id)}`);
        }
      }
    }
    const sockets = [this.#host, ...this.#guests.map((guest) => guest.socket)];
    await Promise.all(sockets.map((socket) => socket.ping()));
    for (const id of this.#groupIds) {
      const log = await readLog(this.#gateway, id, this.#hostId);
      for (const socket of [...sockets, ...this.#left]) wrong.push(...heardOutside(socket, log));
    }
    for (const { faults } of [...sockets, ...this.#left]) wrong.push(...faults);
    await Promise.all(sockets.map((socket) => socket.leave()));
    return wrong;
  }
}
