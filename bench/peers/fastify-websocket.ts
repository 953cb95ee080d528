/** Bare `@fastify/websocket`: the same as `ws.ts`, on Fastify. */

import type { AddressInfo } from 'node:net';
import websocket from '@fastify/websocket';
import Fastify from 'fastify';
import type { WebSocket } from 'ws';
import { type Message, Rooms, roomsOf } from './rooms.ts';
import { tokenCheck } from './token-check.ts';

const check = await tokenCheck();
const rooms = new Rooms<WebSocket>();
const alive = new WeakSet<WebSocket>();
const app = Fastify({ http: { requireHostHeader: false } } as object);
await app.register(websocket, { options: { perMessageDeflate: false } });

app.get(
  '/ws',
  {
    websocket: true,
    preValidation: async (request, reply) => {
      if (check !== undefined && !(await check(request.headers.authorization))) await reply.code(401).send();
    },
  },
  (ws: WebSocket, request) => {
    const mine = roomsOf(request.url);
    alive.add(ws);
    ws.on('pong', () => alive.add(ws));
    for (const room of mine) rooms.join(room, ws);
    ws.on('close', () => {
      for (const room of mine) rooms.leave(room, ws);
    });
    ws.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Message;
      const text = JSON.stringify(rooms.event(message));
      for (const member of rooms.members(message.conversationId)) member.send(text);
      ws.send(JSON.stringify({ type: 'ok', ref: message.ref }));
    });
  },
);

setInterval(
  () => {
    for (const ws of app.websocketServer.clients as Set<WebSocket>) {
      if (!alive.has(ws)) {
        ws.terminate();
        continue;
      }
      alive.delete(ws);
      ws.ping();
    }
  },
  Number(process.env['HEARTBEAT_MS'] ?? 25_000),
);

await app.listen({ host: '127.0.0.1', port: 0, backlog: 4096 });
process.send?.({ ready: { port: (app.server.address() as AddressInfo).port } });
