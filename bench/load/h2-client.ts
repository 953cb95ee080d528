/** A gateway's client of messaging and nothing else, for the row `h2`. Orders come over IPC. */
import { MessagingClient } from '../../gateway/messaging-client/messaging-client.ts';
import type { Command } from '../../shared/commands.ts';

const log = { info() {}, warn() {}, error() {}, debug() {} } as never;
const client = new MessagingClient({
  config: {
    MESSAGING_URL: process.env['MESSAGING_URL'] as string,
    MESSAGING_CONNECTIONS: 2,
    MESSAGING_CONNECTION_MAX_AGE_MS: 600_000,
    MESSAGING_PING_MS: 30_000,
    MESSAGING_TIMEOUT_MS: 10_000,
    MESSAGING_QUEUE: 100_000,
    MESSAGING_BATCH: Number(process.env['BATCH']),
    SERVICE_TOKEN_SECRET: process.env['SERVICE_TOKEN_SECRET'] as string,
  },
  gatewayId: 'gw-bench',
  log,
});
await client.ready();

async function run({
  commands,
  inFlight,
  conversations,
}: {
  commands: number;
  inFlight: number;
  conversations: { id: string; userId: string }[];
}) {
  const from = client.stats.calls;
  let sent = 0;
  const one = async (): Promise<void> => {
    while (sent < commands) {
      const { id, userId } = conversations[sent++ % conversations.length] as { id: string; userId: string };
      const command: Command = { op: 'typing', conversationId: id, actorId: userId, active: true };
      await client.execute(command);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  return { calls: client.stats.calls - from };
}

process.on('message', (order: Parameters<typeof run>[0]) => {
  void run(order).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
