import { openEmbeddedEngine } from '../../engine/sqlite/engine.ts';
import { newEventId } from '../../shared/ids.ts';
import { executorOf } from './executor.ts';

/**
 * A process that holds an embedded engine until it is killed. Arguments: the folder, a label that makes its idempotency keys its own, and
 * the conversations to append to without end, 40 sends at once. Prints `up`, then `<conversation> <clientMessageId> <seq>` for each ack.
 */
const [dataDir = '', label = '', ...conversationIds] = process.argv.slice(2);
const engine = await openEmbeddedEngine({ dataDir });
const executor = executorOf(engine);
process.stdout.write('up\n');

let count = 0;
async function appendForever(): Promise<void> {
  for (;;) {
    const i = count++;
    const conversationId = conversationIds[i % conversationIds.length] ?? '';
    const clientMessageId = `${label}-${i}`;
    const [result] = await executor.execute([
      {
        command: { op: 'message.send', conversationId, actorId: 'ana', clientMessageId, text: `text ${i}` },
        eventId: newEventId(),
        at: Date.now(),
      },
    ]);
    if (!result?.ok) throw new Error(JSON.stringify(result));
    process.stdout.write(`${conversationId} ${clientMessageId} ${result.seq}\n`);
  }
}
if (conversationIds.length > 0) await Promise.all(Array.from({ length: 40 }, appendForever));
else setInterval(() => {}, 60_000);
