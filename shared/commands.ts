import Type, { type Static, type TObject, type TProperties } from 'typebox';
import { ErrorBodySchema } from './error-schemas.ts';
import {
  ClientMessageId,
  ConversationId,
  ConversationKind,
  Emoji,
  Epoch,
  Metadata,
  Role,
  Seq,
  Text,
  TimestampMs,
  Title,
  UserId,
} from './primitives.ts';

function command<N extends string, P extends TProperties>(op: N, properties: P) {
  return Type.Object(
    { op: Type.Literal(op), conversationId: ConversationId, actorId: UserId, ...properties },
    { additionalProperties: false },
  );
}

/** Members given when a conversation is made or widened; 100 at most a call. */
export const NewMembers = Type.Array(Type.Object({ userId: UserId, role: Role }, { additionalProperties: false }), {
  minItems: 1,
  maxItems: 100,
});

/** Everything that can be done to a conversation, by `op`. One command touches one conversation, so one Redis slot. */
export const COMMANDS = {
  'message.send': command('message.send', {
    clientMessageId: ClientMessageId,
    text: Text,
    replyTo: Type.Optional(Seq),
    metadata: Type.Optional(Metadata),
  }),
  'message.edit': command('message.edit', { seq: Seq, text: Text, metadata: Type.Optional(Metadata) }),
  'message.delete': command('message.delete', { seq: Seq }),
  'reaction.add': command('reaction.add', { seq: Seq, emoji: Emoji }),
  'reaction.remove': command('reaction.remove', { seq: Seq, emoji: Emoji }),
  'receipt.read': command('receipt.read', { seq: Seq }),
  'receipt.delivered': command('receipt.delivered', { seq: Seq }),
  typing: command('typing', { active: Type.Boolean() }),
  'conversation.create': command('conversation.create', { kind: ConversationKind, title: Type.Optional(Title), members: NewMembers }),
  'conversation.update': command('conversation.update', { title: Title }),
  'member.add': command('member.add', { members: NewMembers }),
  'member.remove': command('member.remove', { userId: UserId }),
  'member.role': command('member.role', { userId: UserId, role: Role }),
} as const satisfies Record<string, TObject>;

export type CommandOp = keyof typeof COMMANDS;

/**
 * What a command does when it is carried out a second time, by op:
 * - `keyed`: the store remembers its id and answers the first result.
 * - `forward`: it leaves a state that only moves on. Whatever came in between, the second time changes nothing.
 * - `reversible`: it leaves a state that another command can take back. If that came in between, the second time undoes it.
 */
export type CommandEffect = 'keyed' | 'forward' | 'reversible';

const EFFECTS: Record<CommandOp, CommandEffect> = {
  'message.send': 'keyed',
  // A later edit may have come between.
  'message.edit': 'reversible',
  // What is deleted stays deleted.
  'message.delete': 'forward',
  'reaction.add': 'reversible',
  'reaction.remove': 'reversible',
  // Cursors never move back.
  'receipt.read': 'forward',
  'receipt.delivered': 'forward',
  typing: 'reversible',
  'conversation.create': 'keyed',
  'conversation.update': 'reversible',
  'member.add': 'reversible',
  'member.remove': 'reversible',
  'member.role': 'reversible',
};

/** Whether a command may be sent again when nobody knows whether it was carried out. */
export function isRepeatable(op: CommandOp): boolean {
  return EFFECTS[op] !== 'reversible';
}
export type CommandOf<O extends CommandOp> = Static<(typeof COMMANDS)[O]>;
/** One thing to do to a conversation, checked and authorised by the store function that carries it out. */
export type Command = { [O in CommandOp]: CommandOf<O> }[CommandOp];
export const Command = Type.Union(Object.values(COMMANDS) as TObject[]);

/** What a successful command answers. `seq`, `id` and `at` are of the event it made, or, for a repeat, of the first one. */
export const CommandOk = Type.Object({
  ok: Type.Literal(true),
  conversationId: ConversationId,
  /** Absent when nothing was written: an ephemeral command, or a state that already held. */
  seq: Type.Optional(Seq),
  epoch: Type.Optional(Epoch),
  id: Type.Optional(Type.String()),
  at: Type.Optional(TimestampMs),
  /** The result is that of an earlier, identical command. */
  duplicate: Type.Optional(Type.Literal(true)),
});
export type CommandOk = Static<typeof CommandOk>;

export const CommandFailed = Type.Object({ ok: Type.Literal(false), error: ErrorBodySchema });
export type CommandFailed = { ok: false; error: import('./errors.ts').ErrorBody };

export const CommandResult = Type.Union([CommandOk, CommandFailed]);
/** The answer to one command of a batch. */
export type CommandResult = CommandOk | CommandFailed;
