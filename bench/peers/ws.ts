/** Bare `ws`: rooms as sets, a loop of `send`, the heartbeat of its documentation. TOKEN_KEY turns on the same token check as ours. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Message, Rooms, roomsOf } from './rooms.ts';
import { tokenCheck } from './token-check.ts';

const check = await tokenCheck();
const rooms = new Rooms<WebSocket>();
const server = createServer();
const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false });

server.on('upgrade', async (request, socket, head) => {
  if (check !== undefined && !(await check(request.headers.authorization))) {
    socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    return;
  }
  wss.handleUpgrade(request, socket, head, (ws) => accept(ws, roomsOf(request.url ?? '')));
});

const alive = new WeakSet<WebSocket>();

function accept(ws: WebSocket, mine: readonly string[]): void {
  alive.add(ws);
  ws.on('pong', () => alive.add(ws));
  ws.on('error', () => undefined);
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
}

setInterval(
  () => {
    for (const ws of wss.clients) {
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

server.listen(0, '127.0.0.1', 4096, () => process.send?.({ ready: { port: (server.address() as AddressInfo).port } }));
