import Type, { type Static, type TLiteral, type TObject, type TProperties } from 'typebox';
import { ErrorBodySchema } from './error-schemas.ts';
import { OPERATIONS, type OperationName, type OperationOf } from './operations/index.ts';
import type { Operation } from './operations/operation.ts';
import { ConversationId, Epoch, Seq, TimestampMs, UserId } from './primitives.ts';

/** A command is named after its operation. */
export type CommandOp = OperationName;

type CommandSchema<O extends CommandOp> = TObject<
  Extract<{ op: TLiteral<O>; conversationId: typeof ConversationId; actorId: typeof UserId } & OperationOf<O>['input'], TProperties>
>;

/** The command that carries an operation out: its name, which conversation, who acts, and its input. */
export function commandSchema({ name, input }: Operation): TObject {
  return Type.Object(
    { op: Type.Literal(name), conversationId: ConversationId, actorId: UserId, ...input },
    { additionalProperties: false },
  );
}

/** Everything that can be done to a conversation, by `op`. One command touches one conversation, so one Redis slot. */
export const COMMANDS = Object.fromEntries(
  Object.values(OPERATIONS).map((operation) => [operation.name, commandSchema(operation)]),
) as unknown as { readonly [O in CommandOp]: CommandSchema<O> };

/** Whether a command may be sent again when nobody knows whether it was carried out. */
export function isRepeatable(op: CommandOp): boolean {
  return OPERATIONS[op].retry !== 'reversible';
}
export type CommandOf<O extends CommandOp> = Static<(typeof COMMANDS)[O]>;
/** One thing to do to a conversation. The rule of its operation decides whether the actor may, see `messaging/rules`. */
export type Command = { [O in CommandOp]: CommandOf<O> }[CommandOp];
export const Command = Type.Union(Object.values<TObject>(COMMANDS));

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
