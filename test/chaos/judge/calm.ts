import type { HistoryRecord } from '../history.ts';
import type { Evidence, Judge } from './evidence.ts';
import type { ViewJudge } from './views.ts';

/**
 * What is wrong while nothing else happens. A next message would have a gateway fetch what a device lacks, so under load a hole is hidden;
 * here the last message of each conversation must have come to every live device of a member by itself.
 */
export class CalmJudge implements Judge {
  calms = 0;
  readonly #evidence: Evidence;
  readonly #views: ViewJudge;
  /** The last acknowledged event of each conversation. */
  readonly #acknowledged = new Map<string, number>();
  readonly #found = new Set<string>();

  constructor(evidence: Evidence, views: ViewJudge) {
    this.#evidence = evidence;
    this.#views = views;
  }

  take(record: HistoryRecord): void {
    if (record.kind === 'ack') this.#acknowledge(record.conversation, record.seq);
    else if (record.kind === 'changed' && record.seq !== undefined) {
      const change = this.#evidence.asked.get(record.change);
      if (change !== undefined) this.#acknowledge(change.conversation, record.seq);
    } else if (record.kind === 'calm') {
      this.calms++;
      this.#check(record.t, record.quietMs);
    }
  }

  #acknowledge(conversation: string, seq: number): void {
    this.#acknowledged.set(conversation, Math.max(seq, this.#acknowledged.get(conversation) ?? 0));
  }

  #check(t: number, quietMs: number): void {
    const { users, states, asked } = this.#evidence;
    const begin = t - quietMs;
    for (const [device, user] of users) {
      const standing = states.get(device);
      if (standing?.state !== 'live' || standing.since > begin) continue;
      for (const [conversation, seq] of this.#acknowledged) {
        if (!asked.isSurelyIn(conversation, user, begin)) continue;
        const last = this.#views.views.get(`${device} ${conversation}`)?.last ?? 0;
        if (last < seq) this.#object(device, conversation, last, seq, t, quietMs);
      }
    }
  }

  /** Once for each hole, however many calms see it. */
  #object(device: string, conversation: string, last: number, seq: number, t: number, quietMs: number): void {
    const key = `${device} ${conversation} ${last}`;
    if (this.#found.has(key)) return;
    this.#found.add(key);
    const lacks = last + 1 === seq ? `seq ${seq}` : `seq ${last + 1} to ${seq}`;
    const quiet = `${Math.round(quietMs)} ms after everything was acknowledged`;
    this.#evidence.object('hole', `${device} is live and lacks ${lacks} of ${conversation}, ${quiet}`, t);
  }
}
