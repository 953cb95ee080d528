import { pick } from '../chaos/random.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { type Cursors, PATIENCE_MS } from '../helpers/judged-socket.ts';
import { partner } from '../helpers/system-process.ts';
import { type Pace, Schedule } from './pace.ts';
import type { RoundReport } from './rounds.ts';
import { connectStage, finishStage, type Stage } from './stage.ts';

export interface SecondSyncOptions {
  /** Messages that each group had when the stage was made. */
  messages: number;
  /** Whether the first sync names the groups. Those that are inactive and not named are not told then. */
  named: boolean;
  /** Whether the groups become inactive after the first sync. */
  expires: boolean;
  /** Part of the groups that the user is removed from meanwhile. */
  removals: number;
  pace: Pace;
  random: () => number;
  patienceMs?: number;
}

/** Syncs after the first one. Removals come with the last. */
const LATER_SYNCS = 2;

/**
 * A user who is live syncs again, from any earlier cursor of each group, while messages come and removals happen. Each page must start at the
 * cursor named, and live events must follow it, whether the group was followed, inactive, or not told before.
 */
export async function syncAgain(deployment: Deployment, stage: Stage, options: SecondSyncOptions): Promise<RoundReport> {
  const { hostId, userId, cursors } = stage;
  const { messages, named, expires, removals, pace, random, patienceMs = PATIENCE_MS } = options;
  const connected = await connectStage(pick(random, deployment.gateways), stage);
  const { host, guest, pacer } = connected;
  const anyPlaces = (): Cursors =>
    Object.fromEntries(
      Object.entries(cursors).map(([id, { seq, epoch }]) => [id, { seq: seq + Math.floor(random() * (messages + 1)), epoch }]),
    );
  await host.sync(cursors);
  await guest.sync(named ? anyPlaces() : {}, Date.now());
  if (expires) await deployment.letConversationsExpire();

  const removed = new Set(Object.keys(cursors).filter(() => random() < removals));
  const removal = async (conversationId: string): Promise<void> => {
    const rest = partner(pick(random, deployment.gateways));
    await rest.call('DELETE', `/conversations/${conversationId}/members/${userId}`, undefined, hostId);
    await host.send(conversationId);
  };
  for (let sync = 1; sync <= LATER_SYNCS; sync++) {
    let isSynced = false;
    const schedule = new Schedule();
    schedule.at(pace.moment(0.5), async () => {
      await guest.syncOrFault(anyPlaces());
      isSynced = true;
    });
    for (const conversationId of Object.keys(cursors)) {
      schedule.at(pace.moment(2), () => host.send(conversationId));
      if (sync === LATER_SYNCS && removed.has(conversationId)) schedule.at(pace.moment(2), () => removal(conversationId));
    }
    await pace.run(pacer, schedule, () => isSynced);
  }
  return finishStage(stage, connected, removed, patienceMs);
}
