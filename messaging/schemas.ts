import type { FastifyInstance } from 'fastify';
import type { TSchema } from 'typebox';
import { COMMANDS, Command, CommandFailed, CommandOk } from '../shared/commands.ts';
import { Conversation, Member, ReadState } from '../shared/conversations.ts';
import { ErrorBodySchema, ErrorEnvelope } from '../shared/error-schemas.ts';
import { ActiveConversation, Head, INTERNAL_API, JoinRequest, JoinResult, SyncConversation } from '../shared/internal.ts';
import { ConversationId, Cursor, Emoji, Epoch, Role, Text, UserId } from '../shared/primitives.ts';
import { type JsonSchema, NamedSchemas, pascalCase } from '../shared/service/named-schemas.ts';

/** Parts stand before the schemas that are made of them. */
function namedSchemas(): [string, TSchema][] {
  const named: [string, TSchema][] = [
    ['UserId', UserId],
    ['ConversationId', ConversationId],
    ['Epoch', Epoch],
    ['Cursor', Cursor],
    ['Role', Role],
    ['Emoji', Emoji],
    ['Text', Text],
    ['ErrorBody', ErrorBodySchema],
    ['ErrorEnvelope', ErrorEnvelope],
    ['Member', Member],
    ['Conversation', Conversation],
    ['ReadState', ReadState],
    ['CommandOk', CommandOk],
    ['CommandFailed', CommandFailed],
    ['ActiveConversation', ActiveConversation],
    ['SyncConversation', SyncConversation],
    ['JoinRequest', JoinRequest],
    ['JoinResult', JoinResult],
    ['Head', Head],
  ];
  for (const [op, schema] of Object.entries(COMMANDS)) named.push([`${pascalCase(op)}Command`, schema]);
  named.push(['Command', Command]);
  for (const [call, { request, response }] of Object.entries(INTERNAL_API)) {
    named.push([`${pascalCase(call)}Request`, request], [`${pascalCase(call)}Response`, response]);
  }
  return named;
}

/** Refers to the schemas of a call by name; the names become components in OpenAPI. */
export interface CallSchemas {
  request: JsonSchema;
  response: JsonSchema;
}

/** Registers every schema of the internal API under its name, each part once, and returns references to those of each call. */
export function registerSchemas(app: FastifyInstance): Record<keyof typeof INTERNAL_API, CallSchemas> & { error: JsonSchema } {
  const named = new NamedSchemas(namedSchemas());
  for (const schema of named.schemas) app.addSchema(schema);
  const reference = (schema: TSchema): JsonSchema => named.refer(schema) as JsonSchema;
  const calls = Object.entries(INTERNAL_API).map(([call, { request, response }]) => [
    call,
    { request: reference(request), response: reference(response) },
  ]);
  return { ...Object.fromEntries(calls), error: reference(ErrorEnvelope) };
}
