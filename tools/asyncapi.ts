import type { TSchema } from 'typebox';
import { Event } from '../shared/events.ts';
import { CLIENT_FRAMES, SERVER_FRAMES, SUBPROTOCOL } from '../shared/frames.ts';
import { frameExamples, messageName } from './frame-examples.ts';

type Json = Record<string, unknown>;

/** The WebSocket protocol as an AsyncAPI 3 document, made from the same schemas that check the frames. */
export function gatewayAsyncApi(): Json {
  const client = Object.entries(CLIENT_FRAMES) as [string, TSchema & { description?: string }][];
  const server = [...Object.entries(SERVER_FRAMES), ['event', Event]] as [string, TSchema & { description?: string }][];
  const messages: Json = {};
  for (const [type, schema] of [...client, ...server]) {
    const name = messageName(
      type,
      client.some(([clientType, clientSchema]) => clientType === type && clientSchema === schema),
    );
    messages[name] = {
      name: type,
      title: type,
      summary: schema.description ?? type,
      contentType: 'application/json',
      payload: JSON.parse(JSON.stringify(schema)),
      examples: [{ payload: frameExamples[name] }],
    };
  }
  const refs = (entries: [string, unknown][], fromClient: boolean) =>
    entries.map(([type]) => ({ $ref: `#/channels/socket/messages/${messageName(type, fromClient)}` }));
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
      local: { host: '127.0.0.1:8080', protocol: 'ws', description: 'What `npm start` serves' },
    },
    channels: {
      socket: {
        address: '/ws',
        title: 'The one socket of a device',
        description: `Offer the subprotocol ${SUBPROTOCOL}. The access token comes in Authorization: Bearer, or, in a browser, as a second offered subprotocol bearer.<token>.`,
        servers: [{ $ref: '#/servers/local' }],
        messages: Object.fromEntries(Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }])),
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
      },
    },
    operations: {
      receiveFromClient: {
        action: 'receive',
        title: 'Frames a client sends',
        channel: { $ref: '#/channels/socket' },
        messages: refs(client, true),
      },
      sendToClient: {
        action: 'send',
        title: 'Frames the server sends',
        channel: { $ref: '#/channels/socket' },
        messages: refs(server, false),
      },
    },
    components: { messages },
  };
}
