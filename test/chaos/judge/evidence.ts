import type { Entry, HistoryRecord } from '../history.ts';
import { AskedChanges } from './asked-changes.ts';
import type { Problem, ProblemKind } from './problem.ts';
import { isChange, quote, StoredLog, told } from './stored-log.ts';

/** A message somebody sent. */
export interface Send {
  device: string;
  user: string;
  conversation: string;
  id: string;
  text: string;
  t: number;
  /** Where the ack said it stands. */
  seq?: number;
  refused?: true;
}

/** One who judges a part of a history: takes all of it in order, and has a last word. */
export interface Judge {
  take(record: HistoryRecord): void;
  finish?(): void;
}

/** What more than one judge needs to know, and what they all object to. */
export class Evidence {
  readonly problems: Problem[] = [];
  /** The user of each device. */
  readonly users = new Map<string, string>();
  /** Those a conversation began with. */
  readonly members = new Map<string, string[]>();
  /** The state of each device, and since when. */
  readonly states = new Map<string, { state: string; since: number }>();
  readonly sends = new Map<string, Send>();
  readonly asked = new AskedChanges();
  readonly logs = new Map<string, StoredLog>();
  /** Conversations that fell back behind what devices had been given. */
  readonly fellBack = new Set<string>();

  object(kind: ProblemKind, message: string, t?: number): void {
    this.problems.push({ kind, message, ...(t === undefined ? {} : { t }) });
  }

  userOf(device: string): string {
    return this.users.get(device) ?? device;
  }

  log(conversation: string): StoredLog {
    let log = this.logs.get(conversation);
    if (log === undefined) {
      log = new StoredLog(conversation);
      this.logs.set(conversation, log);
    }
    return log;
  }

  /** The users with a live device. */
  liveUsers(): Set<string> {
    return new Set([...this.users].flatMap(([device, user]) => (this.states.get(device)?.state === 'live' ? [user] : [])));
  }

  /** Whatever turns up anywhere was asked for before. A message is as it was sent, or as an edit or a deletion may have left it. */
  requireAsked(entry: Entry, where: string, t?: number): void {
    const { conversation, actor, seq, text } = entry;
    const what = `${where} seq ${seq} of ${conversation}`;
    if (isChange(entry)) this.#requireChange(entry, what, t);
    if (entry.event !== 'message.created') return;
    if (entry.deleted) {
      if (!this.asked.mayBeDeleted(conversation, actor, seq)) this.object('content', `${what} as deleted, which nobody asked for`, t);
      return;
    }
    const send = this.sends.get(entry.id ?? '');
    if (send === undefined) {
      this.object('phantom', `${what}, message ${entry.id}, which was never sent`, t);
      return;
    }
    if (send.conversation !== conversation)
      this.object('content', `${what}, message ${entry.id}, which was sent to ${send.conversation}`, t);
    if (send.user !== actor) this.object('content', `${what} as a message of ${actor}, but ${send.user} sent it`, t);
    if (send.text !== text && !this.asked.mayRead(conversation, actor, seq, text)) {
      this.object('content', `${what} as ${quote(text)}, but ${quote(send.text)} was sent`, t);
    }
  }

  #requireChange(entry: Entry, what: string, t?: number): void {
    const { conversation, event, actor, target = 0, text } = entry;
    if (this.asked.times(entry) === 0) {
      this.object('phantom', `${what} (${told(entry)}), which nobody asked for`, t);
    } else if (event === 'message.edited' && !this.asked.mayRead(conversation, actor, target, text)) {
      // A deletion takes the text of the edits as well.
      if (text === undefined && this.asked.mayBeDeleted(conversation, actor, target)) return;
      this.object('content', `${what} as an edit to ${quote(text)}, which nobody asked for`, t);
    }
  }
}
