import type { HistoryRecord } from '../history.ts';
import type { Evidence, Judge, Send } from './evidence.ts';
import { told } from './stored-log.ts';

/** Messages: each is answered, stands in the log where its ack said, and after those its device sent before. */
export class SendJudge implements Judge {
  sent = 0;
  acknowledged = 0;
  /** Sends of members who were, or may have been, put out meanwhile. */
  refused = 0;
  readonly #evidence: Evidence;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  take(record: HistoryRecord): void {
    if (record.kind === 'send') {
      this.sent++;
      this.#evidence.sends.set(record.id, { ...record, user: this.#evidence.userOf(record.device) });
    } else if (record.kind === 'ack') this.#acknowledged(record, record.t);
    else if (record.kind === 'refused') this.#refused(record, record.t);
  }

  finish(): void {
    for (const send of this.#evidence.sends.values()) this.#checkOutcome(send);
    this.#checkSenderOrder();
  }

  #refused({ device, id, code }: { device: string; id: string; code: string }, t: number): void {
    const { sends, asked } = this.#evidence;
    const send = sends.get(id);
    if (send !== undefined) send.refused = true;
    if (code === 'CHAT_ERR_NOT_MEMBER' && send !== undefined && asked.mayHaveBeenOut(send.conversation, send.user, send.t)) {
      this.refused++;
    } else this.#evidence.object('refused', `message ${id} of ${device} was refused for good: ${code}`, t);
  }

  #acknowledged(ack: { device: string; conversation: string; id: string; seq: number }, t: number): void {
    const send = this.#evidence.sends.get(ack.id);
    if (send === undefined) {
      this.#evidence.object('phantom', `${ack.device} was acknowledged message ${ack.id}, which was never sent`, t);
      return;
    }
    if (send.seq === undefined) {
      this.acknowledged++;
      send.seq = ack.seq;
    } else if (send.seq !== ack.seq) {
      const places = `as seq ${send.seq}, and then as seq ${ack.seq} of ${ack.conversation}`;
      this.#evidence.object('moved', `message ${ack.id} was acknowledged ${places}`, t);
    }
  }

  #checkOutcome(send: Send): void {
    const { id, device, conversation, seq, t } = send;
    const object = this.#evidence.object.bind(this.#evidence);
    if (seq === undefined) {
      if (send.refused !== true) object('unanswered', `message ${id} of ${device} to ${conversation} was never answered`, t);
      return;
    }
    const log = this.#evidence.logs.get(conversation);
    if (log === undefined) return;
    const place = log.places.get(id);
    if (place === undefined) {
      const there = log.entries.get(seq);
      // Its id was erased with the rest of it.
      if (there?.deleted && there.actor === send.user) return;
      const instead = there === undefined ? 'nothing' : told(there);
      object('lost', `message ${id} was acknowledged to ${device} as seq ${seq} of ${conversation}, but the log has ${instead} there`, t);
    } else if (place !== seq) {
      object('moved', `message ${id} was acknowledged as seq ${seq} of ${conversation}, but the log has it as seq ${place}`, t);
    }
  }

  /** A client sends one after the other, so of one device and conversation they are stored in the order they were sent. */
  #checkSenderOrder(): void {
    const latest = new Map<string, Send>();
    for (const send of this.#evidence.sends.values()) {
      if (send.seq === undefined) continue;
      const key = `${send.device} ${send.conversation}`;
      const before = latest.get(key);
      if (before?.seq !== undefined && before.seq > send.seq) {
        const places = `seq ${before.seq} and seq ${send.seq} of ${send.conversation}`;
        const what = `${send.device} sent ${before.id} before ${send.id}, but they are stored as ${places}`;
        this.#evidence.object('sender-order', what, send.t);
      }
      latest.set(key, send);
    }
  }
}
