import { pick } from '../chaos/random.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { type Cursors, JudgedSocket, PATIENCE_MS } from '../helpers/judged-socket.ts';
import { partner } from '../helpers/system-process.ts';
import type { Action, Pace } from './pace.ts';
import type { RoundReport } from './rounds.ts';
import type { Stage } from './stage.ts';
import { heardOutside, memberSince, readLog } from './stored-log.ts';

export interface SecondSyncOptions {
  /** Messages that each group had when the stage was made. */
  messages: number;
  /** Whether the first sync names the groups. Those that are asleep and not named are not told then. */
  named: boolean;
  /** Whether the groups fall asleep after the first sync. */
  sleeps: boolean;
  /** Part of the groups that the user is removed from meanwhile. */
  removals: number;
  pace: Pace;
  random: () => number;
  patienceMs?: number;
}

/** Syncs after the first one. */
const LATER_SYNCS = 2;

/**
 * A user who is live syncs again, from any earlier cursor of each group, while messages come and removals happen. Each page must start at the
 * cursor named, and live events must follow it, whether the group was followed, asleep, or not told before.
 */
export async function syncAgain(deployment: Deployment, stage: Stage, options: SecondSyncOptions): Promise<RoundReport> {
  const { hostId, userId, cursors } = stage;
  const { messages, named, sleeps, removals, pace, random, patienceMs = PATIENCE_MS } = options;
  const gateway = pick(random, deployment.gateways);
  const conversationIds = Object.keys(cursors);
  const [host, guest, pacer] = await Promise.all([
    JudgedSocket.signIn(gateway, hostId),
    JudgedSocket.signIn(gateway, userId),
    JudgedSocket.signIn(gateway, `pacer-of-${userId}`),
  ]);
  await host.sync(cursors);
  const anyPlace = (): Cursors =>
    Object.fromEntries(
      Object.entries(cursors).map(([id, { seq, epoch }]) => [id, { seq: seq + Math.floor(random() * (messages + 1)), epoch }]),
    );
  await guest.sync(named ? anyPlace() : {}, Date.now());

  if (sleeps) await deployment.letConversationsSleep();
  const removed = new Set(conversationIds.filter(() => random() < removals));
  for (let sync = 1; sync <= LATER_SYNCS; sync++) {
    let isSynced = false;
    const works: Promise<unknown>[] = [];
    const actions: Action[] = [];
    const begin = (trip: number, work: () => Promise<unknown>): void => {
      actions.push({ trip, run: () => works.push(work()) });
    };
    begin(pace.moment(0.5), async () => {
      const error = await guest.sync(anyPlace());
      if (error !== undefined) guest.faults.push(`${userId}: a later sync was refused with ${error.code}`);
      isSynced = true;
    });
    for (const conversationId of conversationIds) {
      begin(pace.moment(2), () => host.send(conversationId));
      if (!removed.has(conversationId) || sync < LATER_SYNCS) continue;
      const rest = partner(pick(random, deployment.gateways));
      begin(pace.moment(2), async () => {
        await rest.call('DELETE', `/conversations/${conversationId}/members/${userId}`, undefined, hostId);
        await host.send(conversationId);
      });
    }
    await pace.run(pacer, actions, () => isSynced);
    await Promise.all(works);
  }

  for (let i = 0; i < 2; i++) {
    const last = await Promise.all(conversationIds.map((conversationId) => host.send(conversationId)));
    const isThere = (socket: JudgedSocket): boolean =>
      last.every(({ conversationId, seq }) =>
        socket === guest && removed.has(conversationId)
          ? socket.wasToldRemoved(conversationId)
          : socket.heard(conversationId).includes(seq),
      );
    for (const socket of [host, guest]) await socket.holds(() => isThere(socket), patienceMs);
    await guest.ping();
  }

  const wrong: string[] = [];
  for (const conversationId of conversationIds) {
    const log = await readLog(gateway, conversationId, hostId);
    const outside = heardOutside(guest, log);
    const heard = guest.heard(conversationId);
    const isMember = memberSince(log, userId) !== undefined;
    if (outside[0] !== undefined) wrong.push(outside[0]);
    else if (isMember && heard.at(-1) !== log.length)
      wrong.push(`${userId} heard ${heard} of ${conversationId}: ${guest.told(conversationId)}`);
    else if (!isMember && !guest.wasToldRemoved(conversationId)) wrong.push(`${userId} was not told of the removal from ${conversationId}`);
  }
  const faults = [...guest.faults, ...host.faults];
  await Promise.all([host, guest, pacer].map((socket) => socket.leave()));
  return { tried: conversationIds.length, wrong, faults };
}
