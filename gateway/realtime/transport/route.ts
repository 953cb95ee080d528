import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import websocket from '@fastify/websocket';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { ChatError } from '../../../shared/errors.ts';
import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from '../../../shared/frames.ts';
import { bearerToken } from '../../../shared/service/bearer-token.ts';
import { splitList } from '../../../shared/service/config.ts';
import type { GatewayConfig } from '../../config.ts';
import type { Hub } from '../hub.ts';
import type { Connection, ConnectionClaims, TokenVerifier } from './connection.ts';

/** A client that does not answer the close handshake is cut off after this long, ms. */
const CLOSE_TIMEOUT_MS = 5000;

const kConnection = Symbol('connection');
const kHub = Symbol('hub');
type ChatSocket = WebSocket & { [kConnection]: Connection; [kHub]: Hub };

export interface WebSocketRouteOptions {
  hub: Hub;
  tokens: TokenVerifier;
  config: GatewayConfig;
}

/** `GET /ws`: everything that can be refused is refused before the upgrade, with a status and the error envelope. */
export const webSocketRoute: FastifyPluginAsync<WebSocketRouteOptions> = async (app, { hub, tokens, config }) => {
  const allowOrigin = originCheck(config.WS_ALLOWED_ORIGINS);
  const claimsOf = new WeakMap<FastifyRequest, ConnectionClaims>();

  // `closeTimeout` is newer than the types of ws.
  const options = {
    maxPayload: config.WS_FRAME_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols: () => SUBPROTOCOL,
  };
  await app.register(websocket, {
    options,
    // The default closes every socket at once, without a code. Most sockets were drained before; the rest get their code here.
    preClose: (done) => {
      hub.close().then(() => done(), done);
    },
  });

  app.get(
    '/ws',
    {
      websocket: true,
      config: { rateLimit: false },
      // These headers are for pages. An upgrade needs none, and its refusal is JSON for a program.
      helmet: false,
      preValidation: async (request) => {
        try {
          claimsOf.set(request, await authorizeUpgrade(request));
        } catch (error) {
          hub.metrics.rejectedUpgrades.inc();
          throw error;
        }
      },
    },
    (ws, request) => {
      const socket = request.raw.socket;
      release(ws, socket);
      const connection = hub.open(claimsOf.get(request) as ConnectionClaims, ws, socket);
      listen(ws as ChatSocket, hub, connection);
    },
  );

  async function authorizeUpgrade(request: FastifyRequest): Promise<ConnectionClaims> {
    if (!request.ws) throw new ChatError('CHAT_ERR_UPGRADE_REQUIRED');
    if (hub.draining) throw new ChatError('CHAT_ERR_DRAINING', undefined, { retryAfterMs: 1000 });
    if (hub.connectionCount >= config.WS_MAX_CONNECTIONS) throw new ChatError('CHAT_ERR_OVERLOADED', undefined, { retryAfterMs: 5000 });
    const { origin } = request.headers;
    if (origin !== undefined && !allowOrigin(origin)) throw new ChatError('CHAT_ERR_ORIGIN');
    const protocols = splitList(request.headers['sec-websocket-protocol']);
    if (!protocols.includes(SUBPROTOCOL)) throw new ChatError('CHAT_ERR_UPGRADE_REQUIRED');
    return tokens.authenticate(readToken(request, protocols));
  }
};

function originCheck(list: string): (origin: string) => boolean {
  const allowed = new Set(splitList(list));
  return allowed.has('*') ? () => true : (origin) => allowed.has(origin);
}

function readToken(request: FastifyRequest, protocols: readonly string[]): string {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const token = bearerToken(authorization);
    if (token === undefined) throw new ChatError('CHAT_ERR_UNAUTHORIZED');
    return token;
  }
  const offered = protocols.find((protocol) => protocol.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  if (offered === undefined) throw new ChatError('CHAT_ERR_UNAUTHORIZED');
  return offered.slice(BEARER_SUBPROTOCOL_PREFIX.length);
}

/**
 * Lets go of the HTTP request. The plugin's error listener closes over request and reply, and the response stays assigned to the socket;
 * both would live as long as the connection (7 KiB a socket). A memory test watches over this.
 */
function release(ws: WebSocket, socket: Socket): void {
  ws.removeAllListeners('error');
  const { _httpMessage: response } = socket as Socket & { _httpMessage?: ServerResponse | null };
  response?.detachSocket(socket);
}

/** One set of functions for all sockets: a listener that closes over its connection would be four closures a socket. */
function listen(ws: ChatSocket, hub: Hub, connection: Connection): void {
  ws[kConnection] = connection;
  ws[kHub] = hub;
  ws.on('message', onMessage);
  ws.on('pong', onPong);
  ws.on('close', onClose);
  ws.on('error', onError);
}

function onMessage(this: WebSocket, data: Buffer, isBinary: boolean): void {
  const { [kHub]: hub, [kConnection]: connection } = this as ChatSocket;
  hub.receive(connection, data, isBinary);
}

function onPong(this: WebSocket): void {
  (this as ChatSocket)[kConnection].heard();
}

function onClose(this: WebSocket): void {
  (this as ChatSocket)[kConnection].closed();
}

/** Protocol errors (1007, 1009, …) and resets: `ws` sends the close frame and emits `close`. */
function onError(): void {}
