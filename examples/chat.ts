import { createInterface } from 'node:readline';
import { ChatClient } from '../client/index.ts';
import { Backend, endWithOneLine } from './sign-in.ts';

process.on('uncaughtException', endWithOneLine);

/** A chat in the terminal: `npm run chat -- ana bob` in one, `npm run chat -- bob ana` in another, against a running `npm start`. */
const [me, other, demoPath] = process.argv.slice(2);
if (me === undefined || other === undefined) {
  console.error('Usage: npm run chat -- <you> <the other> [data/demo.json]');
  process.exit(2);
}

const backend = await Backend.open(demoPath);
const conversationId = await backend.directConversation(me, other);
const client = new ChatClient({ url: backend.wsUrl, token: backend.tokensOf(me, 'terminal') });

client.on('state', ({ state, reason }) => {
  console.log(`(${state}${reason === undefined ? '' : `: ${reason}`})`);
  if (state === 'closed' && reason !== 'closed') process.exit(1);
});
client.on('error', ({ code, message }) => console.log(`(${code} ${message})`));
client.on('typing', ({ userId, active }) => active && console.log(`(${userId} is typing)`));
client.on('receipt', ({ userId, kind, seq }) => console.log(`(${userId} has ${kind} everything up to #${seq})`));
client.on('event', ({ conversationId: where, seq, actorId, event, data }) => {
  if (where !== conversationId) return;
  if (event !== 'message.created') console.log(`#${seq} ${actorId} ${event}`);
  else console.log(`#${seq} ${actorId}: ${data.text}`);
  if (actorId !== me) client.markRead(conversationId, seq);
});

await client.connect();
const { events } = await client.history(conversationId, { limit: 10, messagesOnly: true });
for (const { seq, actorId, data } of events.reverse()) {
  if ('text' in data) console.log(`#${seq} ${actorId}: ${data.text}`);
}
console.log(`You are ${me}, ${other} is the other. Type a line and press Enter; Ctrl-D ends.`);

const sending = new Set<Promise<unknown>>();
const lines = createInterface({ input: process.stdin });
lines.on('line', (text) => {
  if (text.trim() === '') return;
  const sent = client
    .sendMessage({ conversationId, text })
    .catch((error: Error) => console.log(`(not sent: ${error.message})`))
    .finally(() => sending.delete(sent));
  sending.add(sent);
});
lines.on('close', async () => {
  await Promise.all(sending);
  await client.close();
});
