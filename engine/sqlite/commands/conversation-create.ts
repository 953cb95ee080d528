import { randomBytes } from 'node:crypto';
import { ChatError } from '../../../shared/errors.ts';
import { distinctMembers } from '../../distinct-members.ts';
import type { StoreOk } from '../../store.ts';
import { activationOfDuplicate } from '../write/log.ts';
import { admitToGroup, alreadySo, appended, type CommandHandler, unchanged } from './context.ts';

export const createConversation: CommandHandler<'conversation.create'> = (context, command, request) => {
  const { conversationId, actorId, kind, title = null } = command;
  const { conversations, log, limits } = context;
  const { at } = request;
  const existing = conversations.find(conversationId);
  if (existing !== undefined) {
    if (conversations.member(existing, actorId) === undefined) throw new ChatError('CHAT_ERR_IDEMPOTENCY_MISMATCH');
    const first = log.first(existing);
    const result: StoreOk = { ...unchanged(existing), seq: 1, epoch: existing.epoch, duplicate: true };
    if (first !== undefined) Object.assign(result, { id: first.id, at: first.at });
    const activation = activationOfDuplicate(existing, at, 1);
    if (activation !== undefined) result.activation = activation;
    return result;
  }
  const members = distinctMembers(command.members);
  if (members.length > limits.groupMaxMembers) throw tooMany(limits.groupMaxMembers);

  const conversation = conversations.create(conversationId, kind, title, newEpoch(at), at);
  const seq = log.append(conversation, request, 'member.added', { members });
  conversations.addMembers(conversation, members, at, seq);
  return { ...appended(conversation, request, seq), added: members.map((member) => member.userId) };
};

export const updateConversation: CommandHandler<'conversation.update'> = (context, command, request) => {
  const { conversation, actor } = admitToGroup(context, command);
  if (actor.role === 'member') throw new ChatError('CHAT_ERR_FORBIDDEN');
  if (conversation.title === command.title) return alreadySo(conversation, request);
  conversation.title = command.title;
  const seq = context.log.append(conversation, request, 'conversation.updated', { title: command.title });
  return appended(conversation, request, seq);
};

/** The refusal of a group that would become too large. */
export function tooMany(limit: number): ChatError {
  return new ChatError('CHAT_ERR_LIMIT', `A group has at most ${limit} members`);
}

function newEpoch(at: number): string {
  return `${at.toString(36)}${randomBytes(3).toString('hex')}`;
}
