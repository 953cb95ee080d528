import type { TSchema } from 'typebox';
import { Conversation, Member, ReadState } from '../../shared/conversations.ts';
import { ErrorBodySchema, ErrorEnvelope } from '../../shared/error-schemas.ts';
import { ChatError, ERRORS, type ErrorCode } from '../../shared/errors.ts';
import { EVENTS, Event, ReactionSummary, UnknownEvent } from '../../shared/events.ts';
import * as rest from '../../shared/http-schemas.ts';
import { OPERATION_BODIES } from '../http/operation-route.ts';

export type JsonSchema = Record<string, unknown>;

/** `message.created` → `MessageCreated` */
export const eventComponent = (name: string): string =>
  name.replace(/(^|\.)([a-z])/g, (_match, _dot, letter: string) => letter.toUpperCase());

/** The events by component name, their union, and what stands for those that are added later. */
export function eventComponents(events: Readonly<Record<string, TSchema>>, union: TSchema): [string, TSchema][] {
  return [
    ...Object.entries(events).map(([name, schema]): [string, TSchema] => [eventComponent(name), schema]),
    ['UnknownEvent', UnknownEvent],
    [KNOWN_EVENTS, union],
  ];
}

/** The union of the events that a document knows, and its union with those that it does not know. */
const KNOWN_EVENTS = 'Event';
const ALL_EVENTS = 'LogEntry';

/** Schemas that get a name in the document; parts stand before what is made of them. */
const COMPONENTS: readonly [string, TSchema][] = [
  ['ErrorBody', ErrorBodySchema],
  ['ErrorEnvelope', ErrorEnvelope],
  ['Member', Member],
  ['Conversation', Conversation],
  ['ReadState', ReadState],
  ['ReactionSummary', ReactionSummary],
  ...eventComponents(EVENTS, Event),
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

type Reference = (name: string, description: unknown) => JsonSchema;
const referenceById: Reference = (name, description) => ({ $ref: `${name}#`, ...(description !== undefined && { description }) });

/**
 * Knows the components by their content, so that routes and frames keep whole, typed schemas and only the document has references. Where
 * they name the events that this server knows, the document takes any: a client made from it must not break when one is added.
 */
export class ComponentRegistry {
  readonly #names = new Map<string, string>();
  readonly #reference: Reference;
  /** Every component, with references to the others, and its name as `$id`. */
  readonly schemas: JsonSchema[] = [];

  constructor(components: readonly [string, TSchema][] = COMPONENTS, reference = referenceById) {
    this.#reference = reference;
    for (const [name, schema] of components) {
      const plain = JSON.parse(JSON.stringify(schema)) as JsonSchema;
      this.schemas.push({ $id: name, ...this.#referParts(plain) });
      this.#names.set(identity(plain), name === KNOWN_EVENTS ? ALL_EVENTS : name);
      if (name === KNOWN_EVENTS) this.schemas.push({ $id: ALL_EVENTS, ...this.#allEvents() });
    }
  }

  /** `anyOf`, and no discriminator: either would make generated clients refuse a name that is not listed. */
  #allEvents(): JsonSchema {
    return {
      description: 'One entry of a conversation’s log. Newer servers add events: take any, ignore those you do not know.',
      anyOf: [KNOWN_EVENTS, 'UnknownEvent'].map((name) => this.#reference(name, undefined)),
    };
  }

  /** The same schema, with every component in it replaced by a reference. */
  refer(schema: unknown): unknown {
    if (typeof schema !== 'object' || schema === null) return schema;
    if (Array.isArray(schema)) return schema.map((part) => this.refer(part));
    const name = this.#names.get(identity(schema as JsonSchema));
    return name === undefined ? this.#referParts(schema as JsonSchema) : this.#reference(name, (schema as JsonSchema)['description']);
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
