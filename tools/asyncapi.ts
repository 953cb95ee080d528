import type { TSchema } from 'typebox';
import { ComponentRegistry, eventComponents } from '../gateway/openapi/openapi-components.ts';
import { Conversation } from '../shared/conversations.ts';
import { ErrorBodySchema } from '../shared/error-schemas.ts';
import type { ErrorCode } from '../shared/errors.ts';
import { EVENTS, Event, MessageContent, ReactionSummary } from '../shared/events.ts';
import {
  BEARER_SUBPROTOCOL_PREFIX,
  CLIENT_FRAMES,
  Limits,
  Ref,
  SERVER_FRAMES,
  type ServerFrameType,
  SUBPROTOCOL,
} from '../shared/frames.ts';
import { OPERATIONS } from '../shared/operations/index.ts';
import * as primitives from '../shared/primitives.ts';
import { frameExamples, messageName } from './frame-examples.ts';

type Json = Record<string, unknown>;
type Frame = TSchema & { description?: string };

/** What is answered to a frame that succeeds; `ok` to all others. Frames listed here are sent as answers only. */
const REPLIES: Readonly<Record<string, ServerFrameType>> = { ping: 'pong', sync: 'sync.done' };
const ANSWERS_ONLY: ReadonlySet<string> = new Set(['ok', ...Object.values(REPLIES)]);

/** Parts before what is made of them. */
const COMPONENTS: [string, TSchema][] = [
  ...Object.entries(primitives).map(([name, schema]): [string, TSchema] => [name, schema]),
  ['Ref', Ref],
  ['ErrorBody', ErrorBodySchema],
  ['Conversation', Conversation],
  ['Limits', Limits],
  ['ReactionSummary', ReactionSummary],
  ['MessageContent', MessageContent],
  ...eventComponents(EVENTS, Event),
];

/** The WebSocket protocol as an AsyncAPI 3 document, made from the same schemas that check the frames. */
export function gatewayAsyncApi(): Json {
  const registry = new ComponentRegistry(COMPONENTS, (name) => reference('schemas', name));
  const client = Object.entries(CLIENT_FRAMES) as [string, Frame][];
  const server = [...Object.entries(SERVER_FRAMES), ['event', Event]] as [string, Frame][];
  const messages = Object.fromEntries([
    ...client.map(([type, schema]) => [messageName(type, true), message(registry, type, schema, true)]),
    ...server.map(([type, schema]) => [messageName(type, false), message(registry, type, schema, false)]),
  ]);
  return {
    asyncapi: '3.1.0',
    info: {
      title: 'Connect Chat gateway',
      version: '1.0.0',
      description: `The WebSocket protocol ${SUBPROTOCOL}: JSON text frames, one object each. docs/protocol.md explains how the frames work together.`,
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: {
      local: {
        host: '127.0.0.1:8080',
        protocol: 'ws',
        description: 'What `npm start` serves',
        security: [reference('securitySchemes', 'accessToken'), reference('securitySchemes', 'accessTokenInSubprotocol')],
      },
    },
    channels: {
      socket: {
        address: '/ws',
        title: 'The one socket of a device',
        description: `Offer the subprotocol ${SUBPROTOCOL}. The access token comes in Authorization: Bearer, or, in a browser, as a second offered subprotocol ${BEARER_SUBPROTOCOL_PREFIX}<token>.`,
        servers: [{ $ref: '#/servers/local' }],
        messages: Object.fromEntries(Object.keys(messages).map((name) => [name, reference('messages', name)])),
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
      },
    },
    operations: {
      ...Object.fromEntries(client.map(([type, schema]) => [messageName(type, true), request(type, schema)])),
      sendToClient: {
        action: 'send',
        title: 'Frames that answer nothing',
        channel: { $ref: '#/channels/socket' },
        messages: server.filter(([type]) => !ANSWERS_ONLY.has(type)).map(([type]) => inChannel(type, false)),
      },
    },
    components: {
      schemas: Object.fromEntries(registry.schemas.map(({ $id, ...schema }) => [$id, schema])),
      messages,
      correlationIds: { ref: { description: 'The `ref` of a frame is in its one reply', location: '$message.payload#/ref' } },
      securitySchemes: {
        accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Access token of a session' },
        accessTokenInSubprotocol: {
          type: 'httpApiKey',
          name: 'Sec-WebSocket-Protocol',
          in: 'header',
          description: `For browsers: \`${SUBPROTOCOL}, ${BEARER_SUBPROTOCOL_PREFIX}<access token>\``,
        },
      },
    },
  };
}

function message(registry: ComponentRegistry, type: string, schema: Frame, fromClient: boolean): Json {
  const name = messageName(type, fromClient);
  const hasRef = Object.hasOwn((schema as { properties?: object }).properties ?? {}, 'ref');
  return {
    name: type,
    title: type,
    summary: schema.description ?? type,
    contentType: 'application/json',
    ...(hasRef && { correlationId: reference('correlationIds', 'ref') }),
    payload: registry.refer(JSON.parse(JSON.stringify(schema))),
    examples: [{ payload: frameExamples[name] }],
  };
}

/** What a client asks for by a frame of this type, and what it is answered. */
function request(type: string, { description }: Frame): Json {
  const errors: readonly ErrorCode[] = Object.hasOwn(OPERATIONS, type) ? OPERATIONS[type as keyof typeof OPERATIONS].errors : [];
  return {
    action: 'receive',
    title: type,
    summary: description,
    ...(errors.length > 0 && { description: `Errors of its own: ${errors.map((code) => `\`${code}\``).join(', ')}.` }),
    channel: { $ref: '#/channels/socket' },
    messages: [inChannel(type, true)],
    reply: {
      channel: { $ref: '#/channels/socket' },
      messages: [inChannel(REPLIES[type] ?? 'ok', false), inChannel('error', false)],
    },
  };
}

function inChannel(type: string, fromClient: boolean): Json {
  return { $ref: `#/channels/socket/messages/${messageName(type, fromClient)}` };
}

function reference(kind: string, name: string): Json {
  return { $ref: `#/components/${kind}/${name}` };
}
