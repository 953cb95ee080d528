import type { FastifyInstance } from 'fastify';
import type { TSchema } from 'typebox';
import { COMMANDS, Command, CommandFailed, CommandOk } from '../shared/commands.ts';
import { Conversation, Member, ReadState } from '../shared/conversations.ts';
import { ErrorBodySchema, ErrorEnvelope } from '../shared/error-schemas.ts';
import { ActiveConversation, Head, INTERNAL_API, JoinRequest, JoinResult, SyncConversation } from '../shared/internal.ts';
import { ConversationId, Cursor, Emoji, Epoch, Role, Text, UserId } from '../shared/primitives.ts';

type JsonSchema = Record<string, unknown>;

function pascal(name: string): string {
  return name.replace(/(^|[._])([a-z])/g, (_match, _separator, letter: string) => letter.toUpperCase());
}

/** Parts before what is made of them. */
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
  for (const [op, schema] of Object.entries(COMMANDS)) named.push([`${pascal(op)}Command`, schema]);
  named.push(['Command', Command]);
  for (const [call, { request, response }] of Object.entries(INTERNAL_API)) {
    named.push([`${pascal(call)}Request`, request], [`${pascal(call)}Response`, response]);
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
  const names = new Map<string, string>();
  for (const [name, schema] of namedSchemas()) {
    const plain = JSON.parse(JSON.stringify(schema)) as JsonSchema;
    const key = JSON.stringify(plain);
    if (names.has(key)) continue;
    app.addSchema({
      $id: name,
      ...(Object.fromEntries(Object.entries(plain).map(([at, part]) => [at, refer(part, names)])) as JsonSchema),
    });
    names.set(key, name);
  }
  const reference = (schema: TSchema): JsonSchema => ({ $ref: `${names.get(JSON.stringify(schema))}#` });
  const calls = Object.entries(INTERNAL_API).map(([call, { request, response }]) => [
    call,
    { request: reference(request), response: reference(response) },
  ]);
  return { ...Object.fromEntries(calls), error: reference(ErrorEnvelope) };
}

/** The same schema with every named part in it replaced by a reference. */
function refer(part: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof part !== 'object' || part === null) return part;
  const name = Array.isArray(part) ? undefined : names.get(JSON.stringify(part));
  if (name !== undefined) return { $ref: `${name}#` };
  if (Array.isArray(part)) return part.map((item) => refer(item, names));
  return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, refer(value, names)]));
}
