import type { CommandOf } from '../../shared/commands.ts';
import { answer } from './model-reads.ts';
import type { Activation, Limits, Question, Request, Result, Subject } from './subject.ts';

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
const MAX_EMOJI = 20;

/** One event. `data` is what a read shows now; a message's reactions stand beside it. */
export interface Entry {
  seq: number;
  id: string;
  at: number;
  actorId: string;
  event: string;
  data: Record<string, unknown>;
  /** Emoji to users, both in the order in which they came. */
  reactions: Map<string, string[]>;
}

export interface Member {
  userId: string;
  role: 'owner' | 'admin' | 'member';
  joinedAt: number;
  readSeq: number;
  deliveredSeq: number;
}

/** One conversation. */
export interface Room {
  id: string;
  epoch: string;
  kind: 'direct' | 'group';
  title: string | undefined;
  createdAt: number;
  updatedAt: number;
  /** In the order in which they joined. */
  members: Member[];
  log: Entry[];
  activeUntil: number;
  activeFrom: number;
  notifyFrom: number;
  addedSeq: number;
  /** The keys of messages, in the order in which they came. */
  sent: { actorId: string; clientMessageId: string; day: number; seq: number }[];
  published: unknown[];
}

/** Everything that is stored. */
export interface State {
  rooms: Map<string, Room>;
  /** `user conversation` to the time that `recordActivation` wrote. */
  recorded: Map<string, number>;
}

class Refusal extends Error {}
type NewMember = CommandOf<'member.add'>['members'][number];
type Answer = Omit<Extract<Result, { ok: true }>, 'ok' | 'conversationId'>;

/** What a store must do, as plainly as it can be said. Written from the comments of the port, not from an engine. */
export class Model implements Subject {
  readonly name = 'the model';
  readonly state: State = { rooms: new Map(), recorded: new Map() };
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  async begin(): Promise<void> {}
  async reopen(): Promise<void> {}
  setClock(): void {}

  async run(requests: readonly Request[]): Promise<Result[]> {
    return requests.map((request): Result => {
      try {
        return { ok: true, conversationId: request.command.conversationId, ...this.#carryOut(request) };
      } catch (error) {
        if (error instanceof Refusal) return { ok: false, code: `CHAT_ERR_${error.message}` };
        throw error;
      }
    });
  }

  async recordActivation(conversationId: string, userIds: readonly string[], until: number): Promise<void> {
    for (const userId of userIds) {
      const key = `${userId} ${conversationId}`;
      this.state.recorded.set(key, Math.max(until, this.state.recorded.get(key) ?? 0));
    }
  }

  async confirmActivation(conversationId: string, { epoch, until, listedThrough }: Activation): Promise<number> {
    const room = this.state.rooms.get(conversationId);
    if (room === undefined || room.epoch !== epoch) return 0;
    const wasInactive = until - HOUR_MS >= room.activeUntil;
    if (wasInactive) room.activeFrom = room.notifyFrom || room.log.length + 1;
    room.activeUntil = Math.max(room.activeUntil, until);
    if (room.notifyFrom > 0 && room.addedSeq > listedThrough) return room.addedSeq;
    room.notifyFrom = 0;
    return 0;
  }

  async ask(question: Question): Promise<unknown> {
    return answer(this.state, question);
  }

  async heard(conversationId: string): Promise<unknown[]> {
    return this.state.rooms.get(conversationId)?.published.splice(0) ?? [];
  }

  #carryOut(request: Request): Answer {
    const { command } = request;
    const room = this.state.rooms.get(command.conversationId);
    const actor = room?.members.find((member) => member.userId === command.actorId);
    if (command.op === 'conversation.create') return this.#create(command, request, room, actor);
    if (room === undefined) throw new Refusal('CONVERSATION_NOT_FOUND');
    if (actor === undefined) throw new Refusal('NOT_MEMBER');
    switch (command.op) {
      case 'message.send':
        return send(room, actor, command, request);
      case 'message.edit':
        return edit(room, command, request);
      case 'message.delete':
        return remove(room, actor, command, request);
      case 'reaction.add':
      case 'reaction.remove':
        return react(room, command, request);
      case 'receipt.read':
      case 'receipt.delivered':
        return this.#receipt(room, actor, command, request);
      case 'typing':
        return publish(room, request, { type: 'typing', userId: actor.userId, active: command.active });
    }
    if (room.kind === 'direct') throw new Refusal('DIRECT_FIXED');
    switch (command.op) {
      case 'conversation.update':
        if (actor.role === 'member') throw new Refusal('FORBIDDEN');
        if (room.title === command.title) return unchanged(room, request);
        room.title = command.title;
        return append(room, request, 'conversation.updated', { title: command.title });
      case 'member.add':
        return this.#addMembers(room, actor, command, request);
      case 'member.remove':
        return removeMember(room, actor, command, request);
      case 'member.role':
        return changeRole(room, actor, command, request);
    }
  }

  #create(command: CommandOf<'conversation.create'>, request: Request, existing: Room | undefined, actor: Member | undefined): Answer {
    if (existing !== undefined) {
      if (actor === undefined) throw new Refusal('IDEMPOTENCY_MISMATCH');
      return duplicate(existing, request, 1);
    }
    const members = firstMentions(command.members);
    if (members.length > this.#limits.groupMaxMembers) throw new Refusal('LIMIT');
    const { conversationId: id, kind, title } = command;
    const { at } = request;
    const room: Room = {
      ...{ id, epoch: `the epoch of ${id}`, kind, title, createdAt: at, updatedAt: at, members: [], log: [] },
      ...{ activeUntil: 0, activeFrom: 0, notifyFrom: 0, addedSeq: 0, sent: [], published: [] },
    };
    this.state.rooms.set(id, room);
    return letIn(room, request, members);
  }

  #addMembers(room: Room, actor: Member, command: CommandOf<'member.add'>, request: Request): Answer {
    if (actor.role === 'member') throw new Refusal('FORBIDDEN');
    for (const { role } of command.members) {
      if (role === 'owner' || (role === 'admin' && actor.role !== 'owner')) throw new Refusal('FORBIDDEN');
    }
    const newcomers = firstMentions(command.members).filter(({ userId }) => !room.members.some((member) => member.userId === userId));
    if (newcomers.length === 0) return unchanged(room, request);
    if (room.members.length + newcomers.length > this.#limits.groupMaxMembers) throw new Refusal('LIMIT');
    return letIn(room, request, newcomers);
  }

  #receipt(room: Room, actor: Member, command: CommandOf<'receipt.read' | 'receipt.delivered'>, request: Request): Answer {
    const seq = Math.min(command.seq, room.log.length);
    const kind = command.op === 'receipt.read' ? 'read' : 'delivered';
    if (seq <= (kind === 'read' ? actor.readSeq : actor.deliveredSeq)) return {};
    if (kind === 'read') actor.readSeq = seq;
    actor.deliveredSeq = Math.max(actor.deliveredSeq, seq);
    if (room.members.length > this.#limits.receiptMaxMembers) return {};
    return publish(room, request, { type: 'receipt', userId: actor.userId, kind, seq, at: request.at });
  }
}

function send(room: Room, actor: Member, command: CommandOf<'message.send'>, request: Request): Answer {
  const { clientMessageId, text, replyTo, metadata } = command;
  const day = Math.floor(request.at / DAY_MS);
  const first = room.sent.find(
    (sent) => sent.actorId === actor.userId && sent.clientMessageId === clientMessageId && Math.abs(sent.day - day) <= 1,
  );
  if (first !== undefined) return duplicate(room, request, first.seq);
  if (replyTo !== undefined && room.log[replyTo - 1]?.event !== 'message.created') throw new Refusal('MESSAGE_NOT_FOUND');
  const result = append(room, request, 'message.created', without({ clientMessageId, text, replyTo, metadata }));
  const seq = room.log.length;
  room.sent.push({ actorId: actor.userId, clientMessageId, day, seq });
  actor.readSeq = actor.deliveredSeq = seq;
  return result;
}

/** The message that a command names, which must be there and not deleted. */
function messageAt(room: Room, seq: number): Entry {
  const entry = room.log[seq - 1];
  if (entry?.event !== 'message.created' || entry.data['deletedAt'] !== undefined) throw new Refusal('MESSAGE_NOT_FOUND');
  return entry;
}

function edit(room: Room, command: CommandOf<'message.edit'>, request: Request): Answer {
  const { seq: target, text, metadata } = command;
  const message = messageAt(room, target);
  if (message.actorId !== command.actorId) throw new Refusal('NOT_YOUR_MESSAGE');
  const sameMetadata = metadata === undefined || sorted(metadata) === sorted(message.data['metadata']);
  if (message.data['text'] === text && sameMetadata) return unchanged(room, request);
  message.data = { ...message.data, ...without({ text, metadata }), editedAt: request.at };
  return append(room, request, 'message.edited', without({ target, text, metadata }));
}

function remove(room: Room, actor: Member, { seq: target }: CommandOf<'message.delete'>, request: Request): Answer {
  const message = room.log[target - 1];
  if (message?.event !== 'message.created') throw new Refusal('MESSAGE_NOT_FOUND');
  if (message.actorId !== actor.userId && actor.role === 'member') throw new Refusal('FORBIDDEN');
  if (message.data['deletedAt'] !== undefined) return unchanged(room, request);
  message.data = { deletedAt: request.at, deletedBy: actor.userId };
  message.reactions.clear();
  for (const entry of room.log) {
    if (entry.event === 'message.edited' && entry.data['target'] === target) entry.data = { target };
  }
  return append(room, request, 'message.deleted', { target });
}

function react(room: Room, command: CommandOf<'reaction.add' | 'reaction.remove'>, request: Request): Answer {
  const { op, seq: target, emoji, actorId } = command;
  const { reactions } = messageAt(room, target);
  const users = reactions.get(emoji) ?? [];
  const adding = op === 'reaction.add';
  if (users.includes(actorId) === adding) return unchanged(room, request);
  if (adding && users.length === 0 && reactions.size >= MAX_EMOJI) throw new Refusal('LIMIT');
  const left = adding ? [...users, actorId] : users.filter((userId) => userId !== actorId);
  if (left.length > 0) reactions.set(emoji, left);
  else reactions.delete(emoji);
  return append(room, request, adding ? 'reaction.added' : 'reaction.removed', { target, emoji });
}

function removeMember(room: Room, actor: Member, { userId }: CommandOf<'member.remove'>, request: Request): Answer {
  const target = room.members.find((member) => member.userId === userId);
  const allowed =
    actor.userId === userId || actor.role === 'owner' || (actor.role === 'admin' && (target === undefined || target.role === 'member'));
  if (!allowed) throw new Refusal('FORBIDDEN');
  if (target === undefined) return unchanged(room, request);
  const others = room.members.filter((member) => member !== target);
  const first = room.log.length + 1;
  if (target.role === 'owner' && !others.some(({ role }) => role === 'owner')) {
    const successor = others.find(({ role }) => role === 'admin') ?? others[0];
    if (successor !== undefined) {
      successor.role = 'owner';
      const roles = [{ userId: successor.userId, role: 'owner' }];
      append(room, { ...request, eventId: 'made by the store' }, 'conversation.updated', { roles });
    }
  }
  room.members = others;
  return { ...append(room, request, 'member.removed', { userId }, first), removed: [userId] };
}

function changeRole(room: Room, actor: Member, { userId, role }: CommandOf<'member.role'>, request: Request): Answer {
  if (actor.role !== 'owner') throw new Refusal('FORBIDDEN');
  const target = room.members.find((member) => member.userId === userId);
  if (target === undefined) throw new Refusal('NOT_MEMBER');
  if (target.role === role) return unchanged(room, request);
  if (target === actor) throw new Refusal('FORBIDDEN');
  target.role = role;
  const roles = [{ userId, role }];
  if (role === 'owner') {
    actor.role = 'admin';
    roles.push({ userId: actor.userId, role: 'admin' });
  }
  return append(room, request, 'conversation.updated', { roles });
}

/** The cursors of a newcomer start at the event that lets them in. */
function letIn(room: Room, request: Request, members: NewMember[]): Answer {
  const seq = room.log.length + 1;
  for (const { userId, role } of members) room.members.push({ userId, role, joinedAt: request.at, readSeq: seq, deliveredSeq: seq });
  return { ...append(room, request, 'member.added', { members }), added: members.map(({ userId }) => userId) };
}

/** Appends an event and publishes it. `from` is the first event of the command, if it makes several. */
function append(room: Room, { command, eventId, at }: Request, event: string, data: Record<string, unknown>, from?: number): Answer {
  const seq = room.log.length + 1;
  const entry: Entry = { seq, id: eventId, at, actorId: command.actorId, event, data, reactions: new Map() };
  room.log.push(entry);
  room.updatedAt = Math.max(room.updatedAt, at);
  if (event === 'member.added') room.addedSeq = seq;
  if (room.notifyFrom === 0 && (at >= room.activeUntil || event === 'member.added')) room.notifyFrom = seq;
  room.published.push(structuredClone(shown(room, entry)));
  return { seq, epoch: room.epoch, id: eventId, at, ...due(room, at, from ?? seq) };
}

/** Publishes a frame that is no event. */
function publish(room: Room, { at }: Request, frame: { type: string; [name: string]: unknown }): Answer {
  room.published.push({ ...frame, conversationId: room.id });
  return due(room, at, room.log.length + 1);
}

/** The activation that is due after something was published. */
function due(room: Room, at: number, own: number): Answer {
  return room.notifyFrom > 0 || room.activeUntil - at < HOUR_MS / 2 ? activation(room, at, room.notifyFrom || own) : {};
}

function activation(room: Room, at: number, from: number): Answer {
  return { activation: { epoch: room.epoch, from, until: at + HOUR_MS, listedThrough: room.log.length } };
}

/** The state held already. What was not notified is still due. */
function unchanged(room: Room, { at }: Request): Answer {
  return room.notifyFrom > 0 ? activation(room, at, room.notifyFrom) : {};
}

/** The first result again. Its activation is due if it was never confirmed. */
function duplicate(room: Room, { at }: Request, seq: number): Answer {
  const first = room.log[seq - 1] as Entry;
  const unconfirmed = room.notifyFrom > 0 && room.notifyFrom <= seq;
  const again = unconfirmed ? activation(room, at, room.notifyFrom) : {};
  return { seq, epoch: room.epoch, id: first.id, at: first.at, duplicate: true, ...again };
}

/** An event as a read shows it. */
export function shown(room: Room, { reactions, ...entry }: Entry): object {
  const summaries = [...reactions].map(([emoji, userIds]) => ({ emoji, count: userIds.length, userIds: userIds.slice(0, 50) }));
  const data = summaries.length > 0 ? { ...entry.data, reactions: summaries } : entry.data;
  return { type: 'event', conversationId: room.id, epoch: room.epoch, ...entry, data };
}

function firstMentions(members: readonly NewMember[]): NewMember[] {
  return members.filter(({ userId }, i) => members.findIndex((other) => other.userId === userId) === i);
}

/** Leaves out what is undefined. */
function without(data: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
}

/** JSON whose objects have their names in order. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort()) : part,
  );
}
