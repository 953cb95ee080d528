import { ChatClient } from '../client/index.ts';
import { Backend, endWithOneLine } from './sign-in.ts';

process.on('uncaughtException', endWithOneLine);

/** Two users say hello: `npx node examples/two-users.ts [data/demo.json]`, against a running `npm start`. */
const backend = await Backend.open(process.argv[2]);
const conversationId = await backend.directConversation('ana', 'bob');
const [ana, bob] = await Promise.all([join('ana'), join('bob')]);

bob.on('message', async ({ actorId, seq, data }) => {
  if (actorId !== 'ana') return;
  bob.markRead(conversationId, seq);
  await bob.addReaction(conversationId, seq, '👍');
  await bob.sendMessage({ conversationId, text: `Hello Ana, I read "${data.text}"`, replyTo: seq });
});
const answered = new Promise<void>((resolve) => {
  ana.on('message', ({ actorId }) => actorId === 'bob' && resolve());
});

const { seq } = await ana.sendMessage({ conversationId, text: 'Hello Bob' });
await answered;
const { events } = await ana.history(conversationId, { after: seq - 1 });
console.log(`The log since then: ${events.map(({ seq, actorId, event }) => `#${seq} ${event} by ${actorId}`).join(', ')}`);
await Promise.all([ana.close(), bob.close()]);

async function join(userId: string): Promise<ChatClient> {
  const client = new ChatClient({ url: backend.wsUrl, token: backend.tokensOf(userId, 'example') });
  client.on('state', ({ state, reason }) => {
    const early = state === 'closed' && reason !== 'closed';
    console.log(`${userId} is ${state}${early ? `: ${reason}` : ''}`);
    if (early) process.exit(1);
  });
  client.on('message', ({ seq, actorId, data }) => console.log(`${userId} sees #${seq} ${actorId}: ${data.text}`));
  client.on('receipt', (receipt) => console.log(`${userId} sees that ${receipt.userId} has ${receipt.kind} up to #${receipt.seq}`));
  client.on('error', (error) => console.error(`${userId}: ${error.code} ${error.message}`));
  await client.connect();
  return client;
}
