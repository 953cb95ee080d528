import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { COMMANDS, type Command, type CommandOf, type CommandOp } from '../shared/commands.ts';
import { checkMetadata, checkText } from '../shared/content-limits.ts';
import { ChatError } from '../shared/errors.ts';
import { directConversationId } from '../shared/ids.ts';

/**
 * Checks commands one by one, so that a bad one in a batch harms no other, by the schema of its op alone, so that a union of thirteen is
 * not tried branch by branch. Returns the command as it may be stored; throws a `ChatError`.
 */
export function createCommandCheck(): (input: unknown) => Command {
  const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false });
  const validators = new Map<string, ValidateFunction>(Object.entries(COMMANDS).map(([op, schema]) => [op, ajv.compile(schema)]));

  return (input) => {
    const op: unknown = (input as { op?: unknown } | null)?.op;
    const validate = typeof op === 'string' ? validators.get(op) : undefined;
    if (validate === undefined) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'op names no command');
    // Before the schema, whose own bound on text would give a less telling error.
    const text: unknown = (input as { text?: unknown }).text;
    if (typeof text === 'string') (input as { text: string }).text = checkText(text);
    if (!validate(input)) throw new ChatError('CHAT_ERR_BAD_REQUEST', complaint(op as CommandOp, validate.errors?.[0]));
    return checkContent(input as Command);
  };
}

function complaint(op: CommandOp, error: ErrorObject | undefined): string {
  return `${op}${(error?.instancePath ?? '').replaceAll('/', '.')} ${error?.message ?? 'is not valid'}`;
}

function checkContent(command: Command): Command {
  switch (command.op) {
    case 'message.send':
    case 'message.edit':
      if (command.metadata !== undefined) command.metadata = checkMetadata(command.metadata);
      return command;
    case 'reaction.add':
    case 'reaction.remove':
      command.emoji = command.emoji.toWellFormed();
      return command;
    case 'conversation.update':
      command.title = command.title.toWellFormed();
      return command;
    case 'conversation.create':
      if (command.title !== undefined) command.title = command.title.toWellFormed();
      checkCreation(command);
      return command;
    default:
      return command;
  }
}

/** A direct conversation is the one of its pair: any other id would make a second one. */
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
