import type { TSchema } from 'typebox';
import { Conversation, Member, ReadState } from '../../shared/conversations.ts';
import { ErrorBodySchema, ErrorEnvelope } from '../../shared/error-schemas.ts';
import { ChatError, ERRORS, type ErrorCode } from '../../shared/errors.ts';
import { EVENTS, Event, ReactionSummary } from '../../shared/events.ts';
import * as rest from '../../shared/http-schemas.ts';
import { OPERATION_BODIES } from '../http/operation-route.ts';

export type JsonSchema = Record<string, unknown>;

/** `message.created` → `MessageCreated` */
export const eventComponent = (name: string): string =>
  name.replace(/(^|\.)([a-z])/g, (_match, _dot, letter: string) => letter.toUpperCase());

/** Schemas that get a name in the document; parts stand before what is made of them. */
const COMPONENTS: [string, TSchema][] = [
  ['ErrorBody', ErrorBodySchema],
  ['ErrorEnvelope', ErrorEnvelope],
  ['Member', Member],
  ['Conversation', Conversation],
  ['ReadState', ReadState],
  ['ReactionSummary', ReactionSummary],
  ...Object.entries(EVENTS).map(([name, schema]): [string, TSchema] => [eventComponent(name), schema]),
  ['Event', Event],
  ['Message', rest.Message],
  ['MessageSent', rest.MessageSent],
  ['SessionTokens', rest.SessionTokens],
  ['SessionInfo', rest.SessionInfo],
  ['SignInByPartner', rest.SignInByPartner],
  ['SignInByIdToken', rest.SignInByIdToken],
  ['CreateSession', rest.CreateSession],
  ['RefreshSession', rest.RefreshSession],
  ...OPERATION_BODIES,
  ['SessionList', rest.SessionList],
  ['ConversationList', rest.ConversationList],
  ['MemberList', rest.MemberList],
  ['MessageList', rest.MessageList],
  ['EventList', rest.EventList],
  ['ReadList', rest.ReadList],
  ['Jwks', rest.Jwks],
  ['Health', rest.Health],
];

/** Data, not schemas: never looked into. */
const DATA_KEYWORDS = new Set(['examples', 'example', 'default', 'enum', 'const']);

/** Knows the components by their content, so that routes keep whole, typed schemas and only the document has references. */
export class ComponentRegistry {
  readonly #names = new Map<string, string>();
  /** Every component, with references to the others, and its name as `$id`. */
  readonly schemas: JsonSchema[] = [];

  constructor() {
    for (const [name, schema] of COMPONENTS) {
      const plain = JSON.parse(JSON.stringify(schema)) as JsonSchema;
      this.schemas.push({ $id: name, ...this.#referParts(plain) });
      this.#names.set(identity(plain), name);
    }
  }

  /** The same schema, with every component in it replaced by a reference. */
  refer(schema: unknown): unknown {
    if (typeof schema !== 'object' || schema === null) return schema;
    if (Array.isArray(schema)) return schema.map((part) => this.refer(part));
    const name = this.#names.get(identity(schema as JsonSchema));
    if (name === undefined) return this.#referParts(schema as JsonSchema);
    const { description } = schema as JsonSchema;
    return { $ref: `${name}#`, ...(description !== undefined && { description }) };
  }

  #referParts(schema: JsonSchema): JsonSchema {
    return Object.fromEntries(Object.entries(schema).map(([key, part]) => [key, DATA_KEYWORDS.has(key) ? part : this.refer(part)]));
  }
}

/** A route may describe a component in its own words, so that is no part of what it is. */
function identity({ description: _description, ...schema }: JsonSchema): string {
  return JSON.stringify(schema);
}

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
