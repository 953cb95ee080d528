import { pick } from '../chaos/random.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { PATIENCE_MS } from '../helpers/judged-socket.ts';
import { partner } from '../helpers/system-process.ts';
import { type Pace, Schedule } from './pace.ts';
import type { RoundReport } from './rounds.ts';
import { connectStage, finishStage, type Stage } from './stage.ts';

export interface RemovalOptions {
  /** Each removal is followed by a return. */
  returns: boolean;
  /** Each group gets a message about then: the one that activates a group that is inactive. */
  activates: boolean;
  pace: Pace;
  random: () => number;
  patienceMs?: number;
}

/**
 * A user syncs while being removed from each group, one removal each. Later messages follow. Another member on the same gateway hears them;
 * the user must not, unless let in again. Then the user must hear everything from the return on.
 */
export async function removeWhileSyncing(deployment: Deployment, stage: Stage, options: RemovalOptions): Promise<RoundReport> {
  const { hostId, userId, cursors } = stage;
  const { returns, activates, pace, random, patienceMs = PATIENCE_MS } = options;
  const connected = await connectStage(pick(random, deployment.gateways), stage);
  const { host, guest, pacer } = connected;
  await host.sync(cursors);

  let isSynced = false;
  const removal = async (conversationId: string, messageWhileOut: boolean): Promise<void> => {
    const rest = partner(pick(random, deployment.gateways));
    await rest.call('DELETE', `/conversations/${conversationId}/members/${userId}`, undefined, hostId);
    if (messageWhileOut) await host.send(conversationId);
    if (!returns) return;
    await rest.call('POST', `/conversations/${conversationId}/members`, { members: [{ userId }] }, hostId);
    await host.send(conversationId);
  };
  const schedule = new Schedule();
  schedule.at(pace.moment(0.5), async () => {
    await guest.syncOrFault(cursors);
    isSynced = true;
  });
  for (const conversationId of Object.keys(cursors)) {
    const messageWhileOut = random() < 0.5;
    schedule.at(pace.moment(2), () => removal(conversationId, messageWhileOut));
    if (activates) schedule.at(pace.moment(2), () => host.send(conversationId));
  }
  await pace.run(pacer, schedule, () => isSynced);
  return finishStage(stage, connected, returns ? new Set() : new Set(Object.keys(cursors)), patienceMs);
}
