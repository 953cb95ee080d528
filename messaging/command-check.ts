import { COMMANDS, type Command, type CommandOf, type CommandOp } from '../shared/commands.ts';
import { checkMetadata, checkText } from '../shared/content-limits.ts';
import { ChatError } from '../shared/errors.ts';
import { directConversationId } from '../shared/ids.ts';
import { checkOf, describeComplaints, type SchemaCheck } from '../shared/schema-check.ts';

const CHECKS: ReadonlyMap<string, SchemaCheck> = new Map(Object.entries(COMMANDS).map(([op, schema]) => [op, checkOf(schema)]));

/**
 * The command as it may be stored. Each command of a batch is checked by itself, by the schema of its op, so a bad one harms no other.
 * Throws a `ChatError` that names the field. Changes `input`: text without a UTF-8 form is replaced.
 */
export function checkCommand(input: unknown): Command {
  const op: unknown = (input as { op?: unknown } | null)?.op;
  const check = typeof op === 'string' ? CHECKS.get(op) : undefined;
  if (check === undefined) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'op names no command');
  // The text is checked before the schema, because this error says more than the bound in the schema.
  const text: unknown = (input as { text?: unknown }).text;
  if (typeof text === 'string') (input as { text: string }).text = checkText(text);
  if (!check.accepts(input)) throw new ChatError('CHAT_ERR_BAD_REQUEST', describeComplaints(op as CommandOp, check.complaints(input)));
  return checkContent(input as Command);
}

/** Every field that a person may write freely, whichever command has it. */
function checkContent(command: Command): Command {
  if ('metadata' in command && command.metadata !== undefined) command.metadata = checkMetadata(command.metadata);
  if ('emoji' in command) command.emoji = command.emoji.toWellFormed();
  if ('title' in command && command.title !== undefined) command.title = command.title.toWellFormed();
  if (command.op === 'conversation.create') checkCreation(command);
  return command;
}

/** A pair has one direct conversation. Any other id would make a second one. */
function checkCreation(command: CommandOf<'conversation.create'>): void {
  const userIds = new Set(command.members.map((member) => member.userId));
  if (userIds.size !== command.members.length) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'members names a user twice');
  if (!userIds.has(command.actorId)) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'members must name the actor too');
  if (command.kind === 'group') {
    if (!command.conversationId.startsWith('g-')) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'the id of a group starts with g-');
    return;
  }
  const [a, b, ...others] = [...userIds];
  if (a === undefined || b === undefined || others.length > 0) {
    throw new ChatError('CHAT_ERR_BAD_REQUEST', 'a direct conversation has two different members');
  }
  if (command.conversationId !== directConversationId(a, b)) {
    throw new ChatError('CHAT_ERR_BAD_REQUEST', 'the id of a direct conversation follows from its two members');
  }
}
