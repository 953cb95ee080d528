import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../tools/redis-server.ts';
import { CpuMeter } from '../lib/proc.ts';
import { within } from '../lib/progress.ts';
import { startEmbedded } from '../systems/connect-chat.ts';
import { ServerProcess } from '../systems/server-process.ts';
import { type Row, SYSTEM } from './row.ts';

const CLIENT = fileURLToPath(new URL('../load/h2-client.ts', import.meta.url));
const BATCHES = [1, 5, 50, 200];
const SHARDS = 4;

export const h2: Row = {
  name: 'h2',
  title: 'Commands to messaging over HTTP/2, by batch size',
  notes: [
    "The gateway's own client against a messaging service, both measured. `typing` commands: checked and published, nothing stored, so that the way there is what is measured.",
    'In the product batches form by themselves; here the size is forced by MESSAGING_BATCH, with the four shards of the queue full all the time.',
  ],
  metrics: {
    cpuPerCommand: { label: 'CPU, µs a command', digits: 1 },
    clientCpu: { label: 'of it the client', digits: 1 },
    perCall: { label: 'commands a call', digits: 1 },
  },
  main: 'cpuPerCommand',
  async run(context) {
    for (let round = 1; round <= context.rounds; round++) {
      const port = await freePort();
      const secret = randomBytes(32).toString('hex');
      const groups = Array.from({ length: 64 }, (_, g) => [2 * g, 2 * g + 1]);
      const running = await startEmbedded({ users: 128, groups }, { MESSAGING_PORT: String(port), SERVICE_TOKEN_SECRET: secret });
      try {
        const conversations = running.world.conversations.map((id, g) => ({ id, userId: running.world.users[2 * g]?.userId as string }));
        for (const batch of BATCHES) {
          const client = await ServerProcess.start({
            file: CLIENT,
            env: { MESSAGING_URL: `http://127.0.0.1:${port}`, SERVICE_TOKEN_SECRET: secret, BATCH: String(batch) },
          });
          try {
            const run = async (commands: number): Promise<{ calls: number }> => {
              const answer = once(client.child, 'message') as Promise<[{ result?: { calls: number }; error?: string }]>;
              client.child.send({ commands, inFlight: batch * SHARDS, conversations });
              const [{ result, error }] = await within(answer, 120, `${commands} commands`);
              if (result === undefined) throw new Error(error);
              return result;
            };
            const commands = (context.quick ? 1000 : 5000) * Math.min(batch, 5);
            await run(commands);
            const both = new CpuMeter([client.pid, running.server.pid]);
            const mine = new CpuMeter([client.pid]);
            const { calls } = await run(commands);
            const workload = `batches of ${batch}`;
            const metrics = {
              cpuPerCommand: (both.seconds * 1e6) / commands,
              clientCpu: (mine.seconds * 1e6) / commands,
              perCall: commands / calls,
            };
            context.record({ workload, system: SYSTEM.ours, metrics });
            context.progress(
              `${workload}: ${metrics.cpuPerCommand.toFixed(1)} µs a command (client ${metrics.clientCpu.toFixed(1)}), ${metrics.perCall.toFixed(1)} a call`,
            );
          } finally {
            await client.stop();
          }
        }
      } finally {
        await running.stop();
      }
    }
  },
};
