import type { HistoryRecord } from '../history.ts';
import type { Evidence, Judge } from './evidence.ts';

interface Count {
  user: string;
  conversation: string;
  readSeq: number;
  unread: number;
}

/** Unread messages as the chat list counts them, against what the log has after the read position; and that position never goes back. */
export class UnreadJudge implements Judge {
  readonly #evidence: Evidence;
  readonly #counts: Count[] = [];
  /** How far a user said to have read, by conversation and user. */
  readonly #read = new Map<string, { seq: number; t: number }>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  take(record: HistoryRecord): void {
    if (record.kind === 'unread') this.#counts.push(record);
    else if (record.kind === 'read') {
      const key = `${record.conversation} ${this.#evidence.userOf(record.device)}`;
      if (record.seq > (this.#read.get(key)?.seq ?? 0)) this.#read.set(key, { seq: record.seq, t: record.t });
    }
  }

  finish(): void {
    for (const count of this.#counts) this.#check(count);
  }

  #check({ user, conversation, readSeq, unread }: Count): void {
    const { logs, asked, fellBack } = this.#evidence;
    const log = logs.get(conversation);
    if (log?.head === undefined) return;
    let owed = 0;
    for (const { event, seq } of log.entries.values()) if (event === 'message.created' && seq > readSeq) owed++;
    if (unread !== owed) {
      const what = `${user} has ${unread} unread messages in ${conversation}`;
      this.#evidence.object('unread', `${what}, but the log has ${owed} after seq ${readSeq}, up to which ${user} has read`);
    }
    const read = this.#read.get(`${conversation} ${user}`);
    // A log that fell back may lack what was read, and who was put out begins again when let in.
    if (read === undefined || fellBack.has(conversation) || asked.mayHaveBeenOut(conversation, user, read.t)) return;
    if (readSeq < read.seq) {
      this.#evidence.object('unread', `${user} has read ${conversation} up to seq ${read.seq}, but the server says ${readSeq}`);
    }
  }
}
