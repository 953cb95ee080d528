/** What every peer does with a message, so that they differ in the server alone: an event in our shape, and its place in the room. */
export class Rooms<M> {
  readonly #rooms = new Map<string, { seq: number; members: Set<M> }>();
  #id = 0;

  join(room: string, member: M): void {
    let entry = this.#rooms.get(room);
    if (entry === undefined) {
      entry = { seq: 0, members: new Set() };
      this.#rooms.set(room, entry);
    }
    entry.members.add(member);
  }

  leave(room: string, member: M): void {
    this.#rooms.get(room)?.members.delete(member);
  }

  members(room: string): ReadonlySet<M> {
    return this.#rooms.get(room)?.members ?? new Set();
  }

  /** The event a message becomes; nothing is stored. */
  event({ conversationId, clientMessageId, text }: Message): WireEvent {
    const entry = this.#rooms.get(conversationId) ?? { seq: 0 };
    entry.seq += 1;
    return {
      type: 'event',
      seq: entry.seq,
      epoch: '0123456789abcdef',
      conversationId,
      id: `019aab3c-5e00-7c3e-9d1f-${String(this.#id++).padStart(12, '0')}`,
      at: Date.now(),
      actorId: 'user-000001',
      event: 'message.created',
      data: { clientMessageId, text },
    };
  }
}

export interface Message {
  type: 'message.send';
  ref: number;
  conversationId: string;
  clientMessageId: string;
  text: string;
}

export interface WireEvent {
  type: 'event';
  seq: number;
  epoch: string;
  conversationId: string;
  id: string;
  at: number;
  actorId: string;
  event: string;
  data: { clientMessageId: string; text: string };
}

export const roomsOf = (url: string): string[] =>
  (new URL(url, 'http://localhost').searchParams.get('rooms') ?? '').split(',').filter(Boolean);
