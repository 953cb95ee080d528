import { pick } from '../chaos/random.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { JudgedSocket, PATIENCE_MS } from '../helpers/judged-socket.ts';
import { partner } from '../helpers/system-process.ts';
import type { Action, Pace } from './pace.ts';
import type { RoundReport } from './rounds.ts';
import type { Stage } from './stage.ts';
import { heardOutside, memberSince, readLog } from './stored-log.ts';

export interface RemovalOptions {
  /** Each removal is followed by a return. */
  returns: boolean;
  /** Each group gets a message about then: the one that activates a group that is asleep. */
  wakes: boolean;
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
  const { returns, wakes, pace, random, patienceMs = PATIENCE_MS } = options;
  const gateway = pick(random, deployment.gateways);
  const conversationIds = Object.keys(cursors);
  const [host, guest, pacer] = await Promise.all([
    JudgedSocket.signIn(gateway, hostId),
    JudgedSocket.signIn(gateway, userId),
    JudgedSocket.signIn(gateway, `pacer-of-${userId}`),
  ]);
  await host.sync(cursors);

  let isSynced = false;
  const works: Promise<unknown>[] = [];
  const actions: Action[] = [];
  const begin = (trip: number, work: () => Promise<unknown>): void => {
    actions.push({ trip, run: () => works.push(work()) });
  };
  const removal = async (conversationId: string, messageWhileOut: boolean): Promise<void> => {
    const rest = partner(pick(random, deployment.gateways));
    await rest.call('DELETE', `/conversations/${conversationId}/members/${userId}`, undefined, hostId);
    if (messageWhileOut) await host.send(conversationId);
    if (!returns) return;
    await rest.call('POST', `/conversations/${conversationId}/members`, { members: [{ userId }] }, hostId);
    await host.send(conversationId);
  };
  begin(pace.moment(0.5), async () => {
    const error = await guest.sync(cursors);
    if (error !== undefined) guest.faults.push(`${userId}: the sync was refused with ${error.code}`);
    isSynced = true;
  });
  for (const conversationId of conversationIds) {
    const messageWhileOut = random() < 0.5;
    begin(pace.moment(2), () => removal(conversationId, messageWhileOut));
    if (wakes) begin(pace.moment(2), () => host.send(conversationId));
  }
  await pace.run(pacer, actions, () => isSynced);
  await Promise.all(works);

  // What comes last, twice: the second time also whoever was still on the way in has arrived.
  for (let i = 0; i < 2; i++) {
    const last = await Promise.all(conversationIds.map((conversationId) => host.send(conversationId)));
    const hasAll = (socket: JudgedSocket): boolean => last.every(({ conversationId, seq }) => socket.heard(conversationId).includes(seq));
    if (!(await host.holds(() => hasAll(host), patienceMs))) host.faults.push(`${hostId} does not hear the last messages`);
    if (returns) await guest.holds(() => hasAll(guest), patienceMs);
    else await guest.holds(() => conversationIds.every((conversationId) => guest.wasToldRemoved(conversationId)), patienceMs);
    await guest.ping();
  }

  const wrong: string[] = [];
  for (const conversationId of conversationIds) wrong.push(...judge(guest, await readLog(gateway, conversationId, hostId)));
  const faults = [...guest.faults, ...host.faults];
  await Promise.all([host, guest, pacer].map((socket) => socket.leave()));
  return { tried: conversationIds.length, wrong, faults };
}

/** At most one line: the first thing that was wrong with what the guest heard of this conversation. */
function judge(guest: JudgedSocket, log: Awaited<ReturnType<typeof readLog>>): string[] {
  const outside = heardOutside(guest, log);
  if (outside[0] !== undefined) return [outside[0]];
  const conversationId = log[0]!.conversationId;
  const since = memberSince(log, guest.userId);
  if (since === undefined) {
    return guest.wasToldRemoved(conversationId) ? [] : [`${guest.userId} was not told of the removal from ${conversationId}`];
  }
  const missed = log.flatMap(({ seq }) => (seq >= since && !guest.heard(conversationId).includes(seq) ? [seq] : []));
  return missed.length === 0
    ? []
    : [
        `${guest.userId} is in ${conversationId} since ${since}, and did not hear ${missed.join(', ')}; was told: ${guest.told(conversationId)}`,
      ];
}
