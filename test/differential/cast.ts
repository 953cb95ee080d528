import type { Command } from '../../shared/commands.ts';
import type { Member, Room, State } from './model-room.ts';
import { isKeyUncertain } from './model-rules.ts';
import { type Order, ROOMS, type Someone, type Target } from './operations.ts';

const USERS = ['ana', 'bob', 'cid', 'dan', 'eve'];

/** Turns the numbers and words of a world into users, conversations, seqs and commands, as the model has them now. */
export class Cast {
  readonly users: string[];
  readonly rooms: string[];
  readonly #tag: string;
  readonly #state: State;
  readonly #commands: Command[] = [];

  /** @param tag begins every name, so that no two runs share one. */
  constructor(options: { users: number; tag: string; state: State }) {
    const { users, tag, state } = options;
    this.#tag = tag;
    this.#state = state;
    this.users = USERS.slice(0, users).map((name) => tag + name);
    this.rooms = ROOMS.map((room) => room.replace('-', `-${tag}`));
  }

  room(room: number): string {
    return this.rooms[room % this.rooms.length] as string;
  }

  user(user: number): string {
    return this.users[user % this.users.length] as string;
  }

  log(conversationId: string): Room['log'] {
    return this.#state.rooms.get(conversationId)?.log ?? [];
  }

  /** The commands of an order at that time, Unix ms; several for a crowd. */
  commandsOf(order: Order, at: number): Command[] {
    const commands = this.#resolve(order).map((command) => this.#withCertainKey(command, at));
    this.#commands.push(...commands);
    return commands;
  }

  /** The command, with another key if the engines may know the key or not, as they like. */
  #withCertainKey(command: Command, at: number): Command {
    const room = this.#state.rooms.get(command.conversationId);
    if (command.op !== 'message.send' || room === undefined) return command;
    let { clientMessageId } = command;
    while (isKeyUncertain(room, command.actorId, clientMessageId, at)) clientMessageId += '+';
    return { ...command, clientMessageId };
  }

  #resolve({ actor, room, draft }: Order): Command[] {
    const conversationId = this.room(room);
    const actorId = this.#someone(actor, conversationId);
    const base = { conversationId, actorId };
    const member = ({ user, role }: { user: number; role: Member['role'] }) => ({ userId: this.user(user), role });
    switch (draft.op) {
      case 'message.send': {
        const { op, key, text, replyTo, metadata } = draft;
        const reply = replyTo === undefined ? {} : { replyTo: this.#target(replyTo, conversationId) };
        return [{ ...base, op, clientMessageId: `key-${key}`, text, ...reply, ...(metadata === undefined ? {} : { metadata }) }];
      }
      case 'message.edit': {
        const seq = this.#target(draft.target, conversationId);
        const { text: before = 'hi', metadata: had = {} } = this.log(conversationId)[seq - 1]?.data ?? {};
        const text = draft.text === 'same' ? String(before) : draft.text;
        const { metadata } = draft;
        if (metadata === 'left out') return [{ ...base, op: draft.op, seq, text }];
        const chosen = metadata === 'same' ? had : metadata === 'reordered' ? reordered(had) : metadata;
        return [{ ...base, op: draft.op, seq, text, metadata: chosen as Record<string, unknown> }];
      }
      case 'message.delete':
      case 'receipt.read':
      case 'receipt.delivered':
        return [{ ...base, op: draft.op, seq: this.#target(draft.target, conversationId) }];
      case 'reaction.add':
      case 'reaction.remove': {
        const seq = this.#target(draft.target, conversationId);
        const reactions = [...(this.log(conversationId)[seq - 1]?.reactions ?? [])];
        const [own] = reactions.find(([, userIds]) => userIds.includes(actorId)) ?? ['👍'];
        return [{ ...base, op: draft.op, seq, emoji: draft.emoji === 'own' ? own : draft.emoji }];
      }
      case 'typing':
      case 'conversation.update':
        return [{ ...base, ...draft }];
      case 'conversation.create': {
        const { op, title } = draft;
        if (room === ROOMS.indexOf('d-2')) {
          const members = [0, 1].map((user) => member({ user, role: 'member' }));
          return [{ conversationId, op, actorId: actorId === this.user(1) ? actorId : this.user(0), kind: 'direct', members }];
        }
        if (room === ROOMS.indexOf('g-nowhere')) return [{ ...base, op: 'typing', active: true }];
        const named = draft.members.map(member);
        const members = named.some(({ userId }) => userId === actorId) ? named : [{ userId: actorId, role: 'owner' as const }, ...named];
        return [{ ...base, op, kind: 'group', ...(title === undefined ? {} : { title }), members }];
      }
      case 'member.add':
        return [{ ...base, op: draft.op, members: draft.members.map(member) }];
      case 'member.remove':
        return [{ ...base, op: draft.op, userId: draft.user === 'self' ? actorId : this.#someone(draft.user, conversationId) }];
      case 'member.role':
        return [{ ...base, op: draft.op, userId: this.#someone(draft.user, conversationId), role: draft.role }];
      case 'repeat':
        return this.#commands.slice(-1 - draft.back).slice(0, 1);
      case 'crowd': {
        const crowd = Array.from({ length: draft.count }, (_, i) => `${this.#tag}of-the-crowd-${draft.from + i}`);
        const seq = this.#target(draft.target, conversationId);
        const adding = draft.does === 'join and react';
        const op = adding ? 'reaction.add' : 'reaction.remove';
        const reactions = crowd.map((userId): Command => ({ conversationId, actorId: userId, op, seq, emoji: '👍' }));
        if (!adding) return reactions;
        const members = crowd.map((userId) => ({ userId, role: 'member' as const }));
        return [{ conversationId, actorId: this.#someone('owner', conversationId), op: 'member.add', members }, ...reactions];
      }
      case 'founding': {
        if (room > 1) return [{ ...base, op: 'typing', active: true }];
        const userId = this.user(draft.user);
        return [
          { ...base, op: 'conversation.create', kind: 'group', members: [{ userId: actorId, role: 'owner' }] },
          { ...base, op: 'member.add', members: [{ userId, role: 'member' }] },
          { ...base, actorId: userId, op: 'message.send', clientMessageId: 'key-0', text: 'hi' },
        ];
      }
      case 'flood': {
        const seq = this.#target(draft.target, conversationId);
        return Array.from({ length: draft.count }, (_, i): Command => ({ ...base, op: 'reaction.add', seq, emoji: `emoji ${i}` }));
      }
    }
  }

  #someone(who: Someone, conversationId: string): string {
    if (who !== 'owner' && 'user' in who) return this.user(who.user);
    const members = this.#state.rooms.get(conversationId)?.members ?? [];
    const member = who === 'owner' ? members.find(({ role }) => role === 'owner') : members[who.member % members.length];
    return member?.userId ?? this.user(0);
  }

  #target(target: Target, conversationId: string): number {
    if ('seq' in target) return target.seq;
    const messages = this.log(conversationId).filter(({ event }) => event === 'message.created');
    return messages.at(-1 - target.back)?.seq ?? 1;
  }
}

/** The same JSON with the names of every object in the opposite order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, part]) => [name, reordered(part)]),
  );
}
