import type { ChatLoad } from './chat-load.ts';
import { entryOf } from './entry.ts';
import type { Entry } from './history.ts';
import { Membership } from './judge/membership.ts';
import { patientPartner } from './patient-partner.ts';
import { until } from './until.ts';

const PAGE = 100;

interface EventPage {
  events: Parameters<typeof entryOf>[0][];
  head: number;
  epoch: string;
  hasMore: boolean;
}

interface ListPage {
  conversations: { id: string; readSeq: number; unread: number }[];
  nextCursor?: string;
}

/** Nothing happens any more: the logs and the chat lists, as REST shows them, go into the history. */
export async function readFinalState(load: ChatLoad, timeoutMs: number): Promise<void> {
  const logs: { conversation: string; head: number; members: string[] }[] = [];
  for (const [conversation, [owner = '']] of load.conversations) logs.push({ conversation, ...(await readLog(load, conversation, owner)) });
  const behind = (): boolean =>
    logs.some(({ conversation, head, members }) => load.devicesOf(members).some(({ client }) => client.cursor(conversation)?.seq !== head));
  // Whether they get there is for the checker to judge, which knows what is missing.
  await until(
    () => !behind(),
    () => 'every device has what is in the logs',
    timeoutMs,
  ).catch(() => {});
  for (const user of new Set(load.devices.map(({ userId }) => userId))) await readChatList(load, user);
}

async function readLog(load: ChatLoad, conversation: string, member: string): Promise<{ head: number; members: string[] }> {
  const { demo, history } = load.options;
  const call = patientPartner(demo);
  const entries: Entry[] = [];
  for (let after = 0; ; ) {
    const path = `/conversations/${conversation}/events?after=${after}&limit=${PAGE}`;
    const page = await call<EventPage>('GET', path, undefined, member);
    for (const event of page.events) {
      const entry = entryOf(event);
      entries.push(entry);
      history.write({ kind: 'log', ...entry });
      after = event.seq;
    }
    if (page.hasMore && page.events.length > 0) continue;
    history.write({ kind: 'logRead', conversation, epoch: page.epoch, head: page.head });
    return { head: page.head, members: new Membership(entries).members };
  }
}

async function readChatList(load: ChatLoad, user: string): Promise<void> {
  const { demo, history } = load.options;
  const call = patientPartner(demo);
  for (let cursor = ''; ; ) {
    const page = await call<ListPage>('GET', `/conversations?limit=${PAGE}${cursor}`, undefined, user);
    for (const { id, readSeq, unread } of page.conversations) {
      if (load.conversations.has(id)) history.write({ kind: 'unread', user, conversation: id, readSeq, unread });
    }
    if (page.nextCursor === undefined) return;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
}
