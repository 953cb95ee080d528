// uWebSockets.js: the native limit, with its own publish/subscribe. Plain JavaScript, for the Node version its binary was built for.
const uws = require('@trufflesuite/uws-js-unofficial');

const seqs = new Map();
let id = 0;

function event({ conversationId, clientMessageId, text }) {
  const seq = (seqs.get(conversationId) ?? 0) + 1;
  seqs.set(conversationId, seq);
  return JSON.stringify({
    type: 'event',
    seq,
    epoch: '0123456789abcdef',
    conversationId,
    id: `019aab3c-5e00-7c3e-9d1f-${String(id++).padStart(12, '0')}`,
    at: Date.now(),
    actorId: 'user-000001',
    event: 'message.created',
    data: { clientMessageId, text },
  });
}

const app = uws.App();
app.ws('/ws', {
  compression: 0,
  idleTimeout: 30,
  sendPingsAutomatically: true,
  maxBackpressure: 16 * 1024 * 1024,
  upgrade: (response, request, context) => {
    response.upgrade(
      { rooms: (request.getQuery('rooms') ?? '').split(',').filter(Boolean) },
      request.getHeader('sec-websocket-key'),
      request.getHeader('sec-websocket-protocol'),
      request.getHeader('sec-websocket-extensions'),
      context,
    );
  },
  open: (ws) => {
    for (const room of ws.getUserData().rooms) ws.subscribe(room);
  },
  message: (ws, data) => {
    const message = JSON.parse(Buffer.from(data).toString());
    app.publish(message.conversationId, event(message));
    ws.send(JSON.stringify({ type: 'ok', ref: message.ref }));
  },
});

// The same questions as lib/agent.ts answers, which is written for newer Nodes.
process.on('message', ({ bench, id: question }) => {
  if (bench === 'gc') for (let i = 0; i < 3; i++) globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  if (bench !== undefined) process.send({ benchAnswer: question, result: process.memoryUsage() });
});
process.on('disconnect', () => process.exit(0));

app.listen('127.0.0.1', 0, (token) => process.send({ ready: { port: uws.us_socket_local_port(token) } }));
