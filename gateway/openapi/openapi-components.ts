import type { TSchema } from 'typebox';
import { Conversation, Member, ReadState } from '../../shared/conversations.ts';
import { ErrorBodySchema, ErrorEnvelope } from '../../shared/error-schemas.ts';
import { ChatError, ERRORS, type ErrorCode } from '../../shared/errors.ts';
import { EVENT_NAMES, Event, ReactionSummary } from '../../shared/events.ts';
import * as rest from '../../shared/http-schemas.ts';
import { pascalCase } from '../../shared/service/named-schemas.ts';

/** Schemas that get a name in the document; parts stand before what is made of them. */
export const COMPONENTS: readonly (readonly [name: string, schema: TSchema])[] = [
  ['ErrorBody', ErrorBodySchema],
  ['ErrorEnvelope', ErrorEnvelope],
  ['Member', Member],
  ['Conversation', Conversation],
  ['ReadState', ReadState],
  ['ReactionSummary', ReactionSummary],
  ...EVENT_NAMES.map((name, index) => [pascalCase(name), Event.anyOf[index] as TSchema] as const),
  ['Event', Event],
  ['Message', rest.Message],
  ['MessageSent', rest.MessageSent],
  ['SessionTokens', rest.SessionTokens],
  ['SessionInfo', rest.SessionInfo],
  ['SignInByPartner', rest.SignInByPartner],
  ['SignInByIdToken', rest.SignInByIdToken],
  ['CreateSession', rest.CreateSession],
  ['RefreshSession', rest.RefreshSession],
  ['CreateConversation', rest.CreateConversation],
  ['UpdateConversation', rest.UpdateConversation],
  ['AddMembers', rest.AddMembers],
  ['UpdateMember', rest.UpdateMember],
  ['SendMessage', rest.SendMessage],
  ['EditMessage', rest.EditMessage],
  ['MarkRead', rest.MarkRead],
  ['SessionList', rest.SessionList],
  ['ConversationList', rest.ConversationList],
  ['MemberList', rest.MemberList],
  ['MessageList', rest.MessageList],
  ['EventList', rest.EventList],
  ['ReadList', rest.ReadList],
  ['Jwks', rest.Jwks],
  ['Health', rest.Health],
];

/** The envelope of every error, once; routes refer to those they can give. */
export function errorExamples(): Record<string, { summary: string; value: unknown }> {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  return Object.fromEntries(
    codes.map((code) => [code, { summary: ERRORS[code].message, value: { error: exampleOf(code).toBody('req-1a') } }]),
  );
}

function exampleOf(code: ErrorCode): ChatError {
  return new ChatError(code, undefined, code === 'CHAT_ERR_RATE_LIMITED' ? { retryAfterMs: 12_000 } : undefined);
}
