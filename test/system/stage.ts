import type { Demo } from '../../bin/demo.ts';
import { type Cursors, JudgedSocket } from '../helpers/judged-socket.ts';
import { partner } from '../helpers/system-process.ts';
import type { RoundReport } from './rounds.ts';
import { heardOutside, memberSince, readLog } from './stored-log.ts';

/** Groups of a host and one other user, which nobody else knows. */
export interface Stage {
  hostId: string;
  userId: string;
  /** Where each group stood when it was made: the place before its messages. */
  cursors: Cursors;
}

/** Groups that are made side by side. */
const SIDE_BY_SIDE = 20;

let stages = 0;

/** Makes groups with so many messages each. */
export async function makeStage(gateway: Demo, groups: number, messages = 0): Promise<Stage> {
  const stage = ++stages;
  const hostId = `host-of-stage-${stage}`;
  const userId = `guest-of-stage-${stage}`;
  const rest = partner(gateway);
  const cursors: Cursors = {};
  const make = async (i: number): Promise<void> => {
    const { id, head, epoch } = await rest.group(hostId, [userId], `Group ${i}`);
    cursors[id] = { seq: head, epoch };
    for (let j = 0; j < messages; j++) await rest.call('POST', `/conversations/${id}/messages`, { text: `message ${j}` }, hostId);
  };
  for (let i = 0; i < groups; i += SIDE_BY_SIDE) {
    await Promise.all(Array.from({ length: Math.min(SIDE_BY_SIDE, groups - i) }, (_, j) => make(i + j)));
  }
  return { hostId, userId, cursors };
}

/** The host and the guest of a stage on one gateway, and a connection that follows nothing. */
export interface ConnectedStage {
  gateway: Demo;
  host: JudgedSocket;
  guest: JudgedSocket;
  pacer: JudgedSocket;
}

export async function connectStage(gateway: Demo, { hostId, userId }: Stage): Promise<ConnectedStage> {
  const userIds = [hostId, userId, `pacer-of-${userId}`];
  const [host, guest, pacer] = await Promise.all(userIds.map((one) => JudgedSocket.signIn(gateway, one)));
  return { gateway, host: host!, guest: guest!, pacer: pacer! };
}

/** Sends last messages, waits until whoever is to hear them has heard them, and judges what the guest heard of each group by its log. */
export async function finishStage(
  { hostId, cursors }: Stage,
  { gateway, host, guest, pacer }: ConnectedStage,
  removed: ReadonlySet<string>,
  patienceMs: number,
): Promise<RoundReport> {
  const conversationIds = Object.keys(cursors);
  // Twice: at the second time whoever was still on the way in has arrived.
  for (let i = 0; i < 2; i++) {
    const last = await Promise.all(conversationIds.map((conversationId) => host.send(conversationId)));
    const hasHeard = (socket: JudgedSocket): boolean =>
      last.every(({ conversationId, seq }) =>
        socket === guest && removed.has(conversationId) ? guest.wasToldRemoved(conversationId) : socket.heard(conversationId).includes(seq),
      );
    await Promise.all([host, guest].map((socket) => socket.holds(() => hasHeard(socket), patienceMs)));
    if (!hasHeard(host)) host.faults.push(`${hostId} does not hear the last messages`);
    await guest.ping();
  }
  const wrong: string[] = [];
  for (const conversationId of conversationIds) wrong.push(...(await judgeGuest(guest, gateway, conversationId, hostId)));
  const faults = [...guest.faults, ...host.faults];
  await Promise.all([host, guest, pacer].map((socket) => socket.leave()));
  return { tried: conversationIds.length, wrong, faults };
}

/** At most one line: the first thing that was wrong with what the guest heard of this conversation. */
async function judgeGuest(guest: JudgedSocket, gateway: Demo, conversationId: string, hostId: string): Promise<string[]> {
  const log = await readLog(gateway, conversationId, hostId);
  const [outside] = heardOutside(guest, log);
  if (outside !== undefined) return [outside];
  const since = memberSince(log, guest.userId);
  if (since === undefined) {
    return guest.wasToldRemoved(conversationId) ? [] : [`${guest.userId} was not told of the removal from ${conversationId}`];
  }
  const heard = guest.heard(conversationId);
  // A member since the beginning has begun at a cursor; the socket itself has judged what came from there on.
  const from = since === 1 ? (heard[0] ?? 1) : since;
  const missed = log.flatMap(({ seq }) => (seq >= from && !heard.includes(seq) ? [seq] : []));
  if (missed.length === 0) return [];
  return [`${guest.userId}, in ${conversationId} since ${since}, did not hear ${missed}; was told: ${guest.told(conversationId)}`];
}
