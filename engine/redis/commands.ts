import { type CommandOf, isRepeatable } from '../../shared/commands.ts';
import { ChatError, type ErrorCode } from '../../shared/errors.ts';
import { encodeEventTail } from '../../shared/event-text.ts';
import type { EventName } from '../../shared/events.ts';
import { newEventId } from '../../shared/ids.ts';
import type { UserId } from '../../shared/primitives.ts';
import { distinctMembers } from '../distinct-members.ts';
import { ACTIVE_MS, type StoreLimits } from '../engine.ts';
import type { CommandRequest, StoreOk, StoreResult } from '../store.ts';
import type { Caller } from './caller.ts';
import type { Keys } from './keys.ts';
import type { Call } from './pipelined-connection.ts';

/** Turns commands into calls of the server-side functions, and their replies into results. */
export class CommandCalls {
  readonly #caller: Caller;
  readonly #keys: Keys;
  readonly #limits: StoreLimits;

  constructor(caller: Caller, keys: Keys, limits: StoreLimits) {
    this.#caller = caller;
    this.#keys = keys;
    this.#limits = limits;
  }

  /** @param announced the users of a `member.add` have the conversation in their indexes already. */
  call(request: CommandRequest, announced: boolean): Call {
    const { command } = request;
    const k = this.#keys.conversation(command.conversationId);
    const head = [command.actorId, request.at] as const;
    const write = (fn: string, keys: readonly string[], args: readonly (string | number)[]) =>
      this.#caller.write(k.slot, fn, keys, args, isRepeatable(command.op));
    switch (command.op) {
      case 'message.send':
        return write(
          'send',
          [k.meta, k.log, k.sent0, k.sent1, k.sent2],
          [...head, this.#sendTail(request, command), command.clientMessageId, command.replyTo ?? ''],
        );
      case 'message.edit': {
        const { seq: target, text, metadata } = command;
        const tail = this.#tail(request, 'message.edited', { target, text, ...(metadata === undefined ? {} : { metadata }) });
        const texts = [JSON.stringify(text), metadata === undefined ? '' : JSON.stringify(metadata)];
        return write('edit', [k.meta, k.log, k.edits], [...head, tail, target, ...texts]);
      }
      case 'message.delete': {
        const { seq: target } = command;
        const tail = this.#tail(request, 'message.deleted', { target });
        return write('delete', [k.meta, k.log, k.edits, k.reactions, k.reactors(target)], [...head, tail, target]);
      }
      case 'reaction.add':
      case 'reaction.remove': {
        const { seq: target, emoji } = command;
        const adding = command.op === 'reaction.add';
        const tail = this.#tail(request, adding ? 'reaction.added' : 'reaction.removed', { target, emoji });
        return write('react', [k.meta, k.log, k.reactions, k.reactors(target)], [...head, tail, target, emoji, adding ? 'add' : 'remove']);
      }
      case 'receipt.read':
      case 'receipt.delivered':
        return write(
          'receipt',
          [k.meta, k.log],
          [
            ...head,
            command.conversationId,
            command.op === 'receipt.read' ? 'read' : 'delivered',
            command.seq,
            this.#limits.receiptMaxMembers,
          ],
        );
      case 'typing': {
        const { conversationId, actorId, active } = command;
        const frame = JSON.stringify({ type: 'typing', conversationId, userId: actorId, active });
        return write('typing', [k.meta], [...head, frame]);
      }
      case 'conversation.create': {
        const { kind, title = '' } = command;
        const members = distinctMembers(command.members);
        const tail = this.#tail(request, 'member.added', { members });
        return write('create', [k.meta, k.log, k.roster], [...head, tail, kind, title, this.#limits.groupMaxMembers, ...flat(members)]);
      }
      case 'conversation.update': {
        const { title } = command;
        return write('update', [k.meta, k.log], [...head, this.#tail(request, 'conversation.updated', { title }), title]);
      }
      case 'member.add': {
        const tail = upToList(this.#tail(request, 'member.added', { members: [] }));
        return write(
          'add',
          [k.meta, k.log, k.roster],
          [...head, tail, this.#limits.groupMaxMembers, announced ? 1 : 0, ...flat(command.members)],
        );
      }
      case 'member.remove': {
        const { userId } = command;
        const succession = this.#tail({ ...request, eventId: newEventId() }, 'conversation.updated', { roles: [] });
        return write(
          'remove',
          [k.meta, k.log, k.roster],
          [...head, this.#tail(request, 'member.removed', { userId }), userId, upToList(succession)],
        );
      }
      case 'member.role': {
        const { userId, role, actorId } = command;
        const tails = [
          [{ userId, role }],
          [
            { userId, role: 'owner' },
            { userId: actorId, role: 'admin' },
          ],
        ].map((roles) => this.#tail(request, 'conversation.updated', { roles }));
        return write('role', [k.meta, k.log], [...head, tails[0] ?? '', userId, role, tails[1] ?? '']);
      }
    }
  }

  // The store cuts texts at these keys, in this order: see library.lua.
  #sendTail(request: CommandRequest, command: CommandOf<'message.send'>): string {
    const { clientMessageId, replyTo, text, metadata } = command;
    return this.#tail(request, 'message.created', {
      clientMessageId,
      ...(replyTo === undefined ? {} : { replyTo }),
      text,
      ...(metadata === undefined ? {} : { metadata }),
    });
  }

  #tail({ command, eventId, at }: CommandRequest, event: EventName, data: object): string {
    return encodeEventTail({ conversationId: command.conversationId, id: eventId, at, actorId: command.actorId, event, data });
  }
}

const flat = (members: readonly { userId: UserId; role: string }[]): string[] => members.flatMap(({ userId, role }) => [userId, role]);

/** The tail without the `]}}` that closes its empty list. */
const upToList = (tail: string): string => tail.slice(0, -3);

const FIRST_EVENT = /"id":"([^"]+)","at":(\d+)/;

/** What `add` answers when it was called before the users' indexes were written, and would otherwise have gone well. */
export const UNANNOUNCED = 'UNANNOUNCED';

/** What a function's reply means: a string is the name of an error, else seq, epoch, start of the activation, and what the op adds. */
export function toResult({ command, eventId, at }: CommandRequest, reply: unknown): StoreResult {
  if (reply instanceof ChatError) return { ok: false, error: reply.toBody() };
  if (typeof reply === 'string') return { ok: false, error: new ChatError(`CHAT_ERR_${reply}` as ErrorCode).toBody() };
  const [seq, epoch, from, ...rest] = reply as [number?, string?, number?, ...string[]];
  const result: StoreOk = { ok: true, conversationId: command.conversationId };
  const isRepeat = seq !== undefined && seq > 0 && command.op !== 'member.add' && rest.length > 0;
  if (epoch !== undefined && from) {
    const listedThrough = isRepeat ? Number(rest[1]) : seq || Number(rest[0]);
    result.activation = { epoch, from, until: at + ACTIVE_MS, listedThrough };
  }
  if (!seq || epoch === undefined) return result;
  result.seq = seq;
  result.epoch = epoch;
  result.id = eventId;
  result.at = at;
  if (command.op === 'member.add') {
    result.added = rest;
  } else if (isRepeat) {
    const [, id, firstAt] = FIRST_EVENT.exec(rest[0] ?? '') ?? [];
    result.id = id ?? eventId;
    result.at = Number(firstAt ?? at);
    result.duplicate = true;
  } else if (command.op === 'conversation.create') {
    result.added = distinctMembers(command.members).map((member) => member.userId);
  } else if (command.op === 'member.remove') {
    result.removed = [command.userId];
  }
  return result;
}
