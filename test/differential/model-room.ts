import { TALLY_USERS } from '../../engine/conversation-log.ts';
import { ACTIVE_MS } from '../../engine/engine.ts';
import type { CommandOf } from '../../shared/commands.ts';
import type { Request, Result } from './subject.ts';

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
  sent: { actorId: string; clientMessageId: string; at: number; seq: number }[];
  published: unknown[];
  /** Pointers in the feed that nobody has asked for yet. */
  fed: unknown[];
}

/** Everything that is stored. */
export interface State {
  rooms: Map<string, Room>;
  /** `user conversation` to the time that `recordActivation` wrote. */
  recorded: Map<string, number>;
}

/** A command is refused; the message is the code of the error. */
export class Refusal extends Error {}

/** A member as a command names it. */
export type NewMember = CommandOf<'member.add'>['members'][number];
/** What a command answers beside `ok` and the conversation. */
export type Answer = Omit<Extract<Result, { ok: true }>, 'ok' | 'conversationId'>;

/** Appends an event and publishes it. `from` is the first event of the command, if it makes several. */
export function append(room: Room, { command, eventId, at }: Request, event: string, data: Record<string, unknown>, from?: number): Answer {
  const seq = room.log.length + 1;
  const entry: Entry = { seq, id: eventId, at, actorId: command.actorId, event, data, reactions: new Map() };
  room.log.push(entry);
  room.updatedAt = Math.max(room.updatedAt, at);
  if (event === 'member.added') room.addedSeq = seq;
  if (room.notifyFrom === 0 && (at >= room.activeUntil || event === 'member.added')) room.notifyFrom = seq;
  room.published.push(structuredClone(shown(room, entry)));
  room.fed.push({ conversationId: room.id, epoch: room.epoch, seq, name: event, at });
  return { seq, epoch: room.epoch, id: eventId, at, ...due(room, at, from ?? seq) };
}

/** Publishes a frame that is no event. */
export function publish(room: Room, { at }: Request, frame: { type: string; [name: string]: unknown }): Answer {
  room.published.push({ ...frame, conversationId: room.id });
  return due(room, at, room.log.length + 1);
}

/** The activation that is due after something was published. */
function due(room: Room, at: number, own: number): Answer {
  return room.notifyFrom > 0 || room.activeUntil - at < ACTIVE_MS / 2 ? activation(room, at, room.notifyFrom || own) : {};
}

function activation(room: Room, at: number, from: number): Answer {
  return { activation: { epoch: room.epoch, from, until: at + ACTIVE_MS, listedThrough: room.log.length } };
}

/** The state held already. What was not notified is still due. */
export function unchanged(room: Room, { at }: Request): Answer {
  return room.notifyFrom > 0 ? activation(room, at, room.notifyFrom) : {};
}

/** The first result again. Its activation is due if it was never confirmed. */
export function duplicate(room: Room, { at }: Request, seq: number): Answer {
  const first = room.log[seq - 1] as Entry;
  const unconfirmed = room.notifyFrom > 0 && room.notifyFrom <= seq;
  const again = unconfirmed ? activation(room, at, room.notifyFrom) : {};
  return { seq, epoch: room.epoch, id: first.id, at: first.at, duplicate: true, ...again };
}

/** An event as a read shows it. */
export function shown(room: Room, { reactions, ...entry }: Entry): object {
  const summaries = [...reactions].map(([emoji, userIds]) => ({ emoji, count: userIds.length, userIds: userIds.slice(0, TALLY_USERS) }));
  const data = summaries.length > 0 ? { ...entry.data, reactions: summaries } : entry.data;
  return { type: 'event', conversationId: room.id, epoch: room.epoch, ...entry, data };
}

/** The first mention of each user. */
export function firstMentions(members: readonly NewMember[]): NewMember[] {
  return members.filter(({ userId }, i) => members.findIndex((other) => other.userId === userId) === i);
}

/** The cursors of a newcomer start at the event that lets them in. */
export function letIn(room: Room, request: Request, members: NewMember[]): Answer {
  const seq = room.log.length + 1;
  for (const { userId, role } of members) room.members.push({ userId, role, joinedAt: request.at, readSeq: seq, deliveredSeq: seq });
  return { ...append(room, request, 'member.added', { members }), added: members.map(({ userId }) => userId) };
}
