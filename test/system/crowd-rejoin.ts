import type { Demo } from '../../bin/demo.ts';
import { pick } from '../chaos/random.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { type Cursors, JudgedSocket, PATIENCE_MS } from '../helpers/judged-socket.ts';
import { partner } from '../helpers/system-process.ts';
import { type Pace, Schedule } from './pace.ts';
import type { RoundReport } from './rounds.ts';

export interface CrowdSize {
  members: number;
  groups: number;
}

interface Sent {
  conversationId: string;
  seq: number;
}

/** Most of a crowd syncs in the same moment. Answers to few are quicker than answers to many, so the stragglers overtake the others. */
const AT_ONCE = 0.8;

let crowds = 0;

/**
 * Members who hold cursors of the same groups all sync with a gateway that follows none of these groups. Meanwhile one message goes into
 * each group. Nothing else happens afterwards: no event, no sync and no comparison of heads can help.
 */
export async function crowdRejoins(
  deployment: Deployment,
  { members, groups }: CrowdSize,
  { pace, random, patienceMs = PATIENCE_MS }: { pace: Pace; random: () => number; patienceMs?: number },
): Promise<RoundReport> {
  const crowd = ++crowds;
  const gateway = deployment.gateways[crowd % deployment.gateways.length]!;
  const elsewhere = pick(random, deployment.gateways);
  const userIds = Array.from({ length: members }, (_, i) => `member-${crowd}-${i}`);
  const hostId = `host-${crowd}`;
  const cursors = await makeGroups(elsewhere, hostId, userIds, groups);
  const [host, pacer, ...sockets] = await Promise.all([
    JudgedSocket.signIn(elsewhere, hostId),
    // It follows nothing: its pings only tell how far the gateway of the crowd has come.
    JudgedSocket.signIn(gateway, `pacer-${crowd}`),
    ...userIds.map((userId) => JudgedSocket.signIn(gateway, userId)),
  ]);

  const schedule = new Schedule();
  const sent: Sent[] = [];
  for (const member of sockets) schedule.at(random() < AT_ONCE ? 0 : pace.moment(1), () => member.syncOrFault(cursors));
  for (const conversationId of Object.keys(cursors)) {
    schedule.at(pace.moment(1.5), async () => sent.push(await host.send(conversationId)));
  }
  await pace.run(pacer, schedule, () => sockets.some(({ pages }) => pages > 0));

  const missing = await missingAfter(patienceMs, sockets, sent);
  const faults = [...sockets, host].flatMap((socket) => socket.faults);
  await Promise.all([...sockets, host, pacer].map((socket) => socket.leave()));
  return { tried: members * groups, wrong: missing, faults };
}

async function makeGroups(gateway: Demo, hostId: string, memberIds: string[], count: number): Promise<Cursors> {
  const rest = partner(gateway);
  const groups = await Promise.all(Array.from({ length: count }, (_, i) => rest.group(hostId, memberIds, `Group ${i}`)));
  return Object.fromEntries(groups.map(({ id, head, epoch }) => [id, { seq: head, epoch }]));
}

/** Resolves as soon as every member has every message, or with the pairs that lack one when patience is over. */
async function missingAfter(patienceMs: number, sockets: readonly JudgedSocket[], sent: readonly Sent[]): Promise<string[]> {
  const has = (member: JudgedSocket, { conversationId, seq }: Sent): boolean => member.heard(conversationId).includes(seq);
  await Promise.all(sockets.map((member) => member.holds(() => sent.every((message) => has(member, message)), patienceMs)));
  return sockets.flatMap((member) =>
    sent.flatMap((message) => (has(member, message) ? [] : [`${member.userId} misses ${message.seq} of ${message.conversationId}`])),
  );
}
