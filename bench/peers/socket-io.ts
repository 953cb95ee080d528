/**
 * Socket.IO 4 over WebSocket alone, with its rooms. REDIS_URL and ADAPTER (`streams` or `sharded`) make several of them one system;
 * the ack says that the broadcast was handed over, not that anything is stored.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createShardedAdapter } from '@socket.io/redis-adapter';
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { type Message, Rooms } from './rooms.ts';
import { tokenCheck } from './token-check.ts';

const check = await tokenCheck();
const rooms = new Rooms<never>();
const url = process.env['REDIS_URL'];
const heartbeat = Number(process.env['HEARTBEAT_MS'] ?? 25_000);
const server = createServer();
const io = new Server(server, {
  transports: ['websocket'],
  serveClient: false,
  perMessageDeflate: false,
  pingInterval: heartbeat,
  pingTimeout: 20_000,
  ...(url === undefined
    ? {}
    : {
        adapter:
          process.env['ADAPTER'] === 'sharded'
            ? createShardedAdapter(new Redis(url), new Redis(url))
            : createStreamsAdapter(new Redis(url)),
      }),
});

if (check !== undefined) {
  io.use(async (socket, next) => {
    const { token } = socket.handshake.auth as { token?: string };
    next((await check(`Bearer ${token}`)) ? undefined : new Error('unauthorized'));
  });
}

io.on('connection', (socket) => {
  // What its documentation advises where memory matters.
  (socket.conn as unknown as { request: unknown }).request = undefined;
  const { rooms: mine } = socket.handshake.auth as { rooms?: string[] };
  for (const room of mine ?? []) {
    rooms.join(room, undefined as never);
    void socket.join(room);
  }
  socket.on('message.send', (message: Message, ack: (answer: object) => void) => {
    io.to(message.conversationId).emit('event', rooms.event(message));
    ack({ type: 'ok', ref: message.ref });
  });
});

server.listen(0, '127.0.0.1', 4096, () => process.send?.({ ready: { port: (server.address() as AddressInfo).port } }));
