import { KEY_GONE_MS, KEY_MARGIN_MS, KEY_MS } from '../../engine/engine.ts';
import { MAX_EMOJI } from '../../messaging/rules/reactions.ts';
import type { CommandOf } from '../../shared/commands.ts';
import {
  type Answer,
  append,
  duplicate,
  type Entry,
  firstMentions,
  letIn,
  type Member,
  publish,
  Refusal,
  type Room,
  unchanged,
} from './model-room.ts';
import type { Limits, Request } from './subject.ts';

/** A key is known for so long, ms. From `KEY_GONE_MS` on it is not; in between nobody asks. */
const KNOWN_MS = KEY_MS + KEY_MARGIN_MS;

function sentWith(room: Room, userId: string, key: string): Room['sent'] {
  return room.sent.filter((sent) => sent.actorId === userId && sent.clientMessageId === key);
}

/** Whether an engine may know the key at that time, or not, as it likes. */
export function isKeyUncertain(room: Room, userId: string, key: string, at: number): boolean {
  return sentWith(room, userId, key).some((sent) => at - sent.at > KNOWN_MS && at - sent.at < KEY_GONE_MS);
}

export function send(room: Room, actor: Member, command: CommandOf<'message.send'>, request: Request): Answer {
  const { clientMessageId, text, replyTo, metadata } = command;
  const first = sentWith(room, actor.userId, clientMessageId).find(({ at }) => request.at - at <= KNOWN_MS);
  if (first !== undefined) return duplicate(room, request, first.seq);
  if (replyTo !== undefined && room.log[replyTo - 1]?.event !== 'message.created') throw new Refusal('MESSAGE_NOT_FOUND');
  const result = append(room, request, 'message.created', without({ clientMessageId, text, replyTo, metadata }));
  const seq = room.log.length;
  room.sent.push({ actorId: actor.userId, clientMessageId, at: request.at, seq });
  actor.readSeq = actor.deliveredSeq = seq;
  return result;
}

/** The message that a command names, which must be there and not deleted. */
function messageAt(room: Room, seq: number): Entry {
  const entry = room.log[seq - 1];
  if (entry?.event !== 'message.created' || entry.data['deletedAt'] !== undefined) throw new Refusal('MESSAGE_NOT_FOUND');
  return entry;
}

export function edit(room: Room, command: CommandOf<'message.edit'>, request: Request): Answer {
  const { seq: target, text, metadata } = command;
  const message = messageAt(room, target);
  if (message.actorId !== command.actorId) throw new Refusal('NOT_YOUR_MESSAGE');
  const sameMetadata = metadata === undefined || sorted(metadata) === sorted(message.data['metadata']);
  if (message.data['text'] === text && sameMetadata) return unchanged(room, request);
  message.data = { ...message.data, ...without({ text, metadata }), editedAt: request.at };
  return append(room, request, 'message.edited', without({ target, text, metadata }));
}

export function remove(room: Room, actor: Member, { seq: target }: CommandOf<'message.delete'>, request: Request): Answer {
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

export function react(room: Room, command: CommandOf<'reaction.add' | 'reaction.remove'>, request: Request): Answer {
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

export function removeMember(room: Room, actor: Member, { userId }: CommandOf<'member.remove'>, request: Request): Answer {
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

export function changeRole(room: Room, actor: Member, { userId, role }: CommandOf<'member.role'>, request: Request): Answer {
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

export function addMembers(limits: Limits, room: Room, actor: Member, command: CommandOf<'member.add'>, request: Request): Answer {
  if (actor.role === 'member') throw new Refusal('FORBIDDEN');
  const named = firstMentions(command.members);
  for (const { role } of named) {
    if (role === 'owner' || (role === 'admin' && actor.role !== 'owner')) throw new Refusal('FORBIDDEN');
  }
  const newcomers = named.filter(({ userId }) => !room.members.some((member) => member.userId === userId));
  if (newcomers.length === 0) return unchanged(room, request);
  if (room.members.length + newcomers.length > limits.groupMaxMembers) throw new Refusal('LIMIT');
  return letIn(room, request, newcomers);
}

export function moveReceipt(
  limits: Limits,
  room: Room,
  actor: Member,
  command: CommandOf<'receipt.read' | 'receipt.delivered'>,
  request: Request,
): Answer {
  const seq = Math.min(command.seq, room.log.length);
  const kind = command.op === 'receipt.read' ? 'read' : 'delivered';
  if (seq <= (kind === 'read' ? actor.readSeq : actor.deliveredSeq)) return {};
  if (kind === 'read') actor.readSeq = seq;
  actor.deliveredSeq = Math.max(actor.deliveredSeq, seq);
  if (room.members.length > limits.receiptMaxMembers) return {};
  return publish(room, request, { type: 'receipt', userId: actor.userId, kind, seq, at: request.at });
}
