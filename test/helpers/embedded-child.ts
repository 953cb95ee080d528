import { openEmbeddedEngine } from '../../engine/sqlite/engine.ts';
import { encodeEventTail } from '../../shared/event-text.ts';
import { newEventId } from '../../shared/ids.ts';

/**
 * A process that holds an embedded engine until it is killed. Arguments: the folder, a label that makes its idempotency keys its own, and
 * the conversations to append to without end, 40 sends at once. Prints `up`, then `<conversation> <clientMessageId> <seq>` for each ack.
 */
const [dataDir = '', label = '', ...conversationIds] = process.argv.slice(2);
const engine = await openEmbeddedEngine({ dataDir });
process.stdout.write('up\n');

let count = 0;
async function appendForever(): Promise<void> {
  for (;;) {
    const i = count++;
    const conversationId = conversationIds[i % conversationIds.length] ?? '';
    const clientMessageId = `${label}-${i}`;
    const at = Date.now();
    const data = { clientMessageId, text: `text ${i}` };
    const tail = encodeEventTail({ conversationId, id: newEventId(), at, actorId: 'ana', event: 'message.created', data });
    const events = [{ kind: 'message', name: 'message.created', tail } as const];
    const [outcome] = await engine.log.commit([
      { conversationId, at, actorId: 'ana', key: clientMessageId, events, advance: true, repeatable: true },
    ]);
    if (outcome?.status !== 'committed') throw new Error(JSON.stringify(outcome));
    process.stdout.write(`${conversationId} ${clientMessageId} ${outcome.seq}\n`);
  }
}
if (conversationIds.length > 0) await Promise.all(Array.from({ length: 40 }, appendForever));
else setInterval(() => {}, 60_000);
