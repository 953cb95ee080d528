import type { Entry, HistoryRecord } from '../history.ts';
import type { Evidence, Judge } from './evidence.ts';
import { told } from './stored-log.ts';

/** `letIn`: how often the user of the device was to be let in by the time it was given. */
type Held = Entry & { letIn: number };

/** One conversation as one device holds it. */
export interface View {
  device: string;
  conversation: string;
  epoch: string;
  /** Earlier epochs. */
  over: Set<string>;
  /** Nothing up to here is owed. */
  base: number;
  last: number;
  /** The head at the last reset, or when the view began in the middle of a log; 0 for neither. What came up to there was to be read from the log. */
  readTo: number;
  held: Map<number, Held>;
  /** Where each message was given, by clientMessageId. */
  places: Map<string, number>;
}

/** What devices were given: once, in order, without a gap, and in the end what the log has of their user's memberships. */
export class ViewJudge implements Judge {
  given = 0;
  resets = 0;
  readonly views = new Map<string, View>();
  readonly #evidence: Evidence;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  take(record: HistoryRecord): void {
    const { t } = record;
    switch (record.kind) {
      case 'follows':
        this.#begin(record, record.seq, record.seq);
        break;
      case 'begins':
        this.#begin(record, 0, record.head, record.head);
        break;
      case 'given':
        this.given++;
        this.#given(record.device, record, t);
        break;
      case 'reset':
        this.resets++;
        this.#reset(record);
        break;
      case 'reread': {
        const view = this.views.get(`${record.device} ${record.conversation}`);
        // Of an epoch that is over it says nothing; one the device has not heard of yet may go on from its own, and the end shows whether it did.
        if (view !== undefined && !view.over.has(record.epoch)) view.held.set(record.seq, this.#held(record.device, record));
        this.#evidence.requireAsked(record, `${record.device} read again`, t);
      }
    }
  }

  finish(): void {
    for (const view of this.views.values()) this.#checkView(view);
    this.#checkMissing();
  }

  #begin(
    { device, conversation, epoch }: { device: string; conversation: string; epoch: string },
    base: number,
    last: number,
    readTo = 0,
  ): void {
    const view = { device, conversation, epoch, over: new Set<string>(), base, last, readTo, held: new Map(), places: new Map() };
    this.views.set(`${device} ${conversation}`, view);
  }

  #held(device: string, entry: Entry): Held {
    return { ...entry, letIn: this.#evidence.asked.lettingIn(entry.conversation, this.#evidence.userOf(device)) };
  }

  #given(device: string, entry: Entry, t: number): void {
    const { conversation, seq } = entry;
    const object = this.#evidence.object.bind(this.#evidence);
    const what = `${device} was given seq ${seq} of ${conversation}`;
    const view = this.views.get(`${device} ${conversation}`);
    if (view === undefined) {
      object('phantom', `${what} without following it`, t);
      return;
    }
    if (entry.epoch !== view.epoch) {
      // The log of another epoch may go on from what the device holds, and the server says so; whether that was true, the end shows.
      if (view.over.has(entry.epoch)) object('content', `${what} of epoch ${entry.epoch}, which was over`, t);
      view.over.add(view.epoch);
      view.epoch = entry.epoch;
    }
    if (view.held.has(seq) || seq <= view.base) object('doubled', `${what} (${told(entry)}) twice`, t);
    else if (seq <= view.last) object('reordered', `${what} (${told(entry)}) after seq ${view.last}`, t);
    else if (seq > view.last + 1) object('gap', `${what} right after seq ${view.last}: ${seq - view.last - 1} between are missing`, t);
    const place = entry.id === undefined ? undefined : view.places.get(entry.id);
    if (place !== undefined && place !== seq) {
      object('doubled', `${device} was given message ${entry.id} twice in ${conversation}: as seq ${place} and as seq ${seq}`, t);
    }
    if (entry.id !== undefined) view.places.set(entry.id, seq);
    view.held.set(seq, this.#held(device, entry));
    view.last = Math.max(view.last, seq);
    this.#evidence.requireAsked(entry, `${device} was given`, t);
  }

  #reset({ device, conversation, epoch, head }: { device: string; conversation: string; epoch: string; head: number }): void {
    const view = this.views.get(`${device} ${conversation}`);
    this.#evidence.fellBack.add(conversation);
    if (view === undefined) return;
    view.over.add(view.epoch);
    view.epoch = epoch;
    view.base = 0;
    view.last = head;
    view.readTo = head;
    view.held.clear();
    view.places.clear();
  }

  #checkView({ device, conversation, epoch, base, readTo, held }: View): void {
    const log = this.#evidence.logs.get(conversation);
    if (log?.head === undefined) {
      if (log === undefined) this.#evidence.object('incomplete', `the log of ${conversation} was not read`);
      return;
    }
    const user = this.#evidence.userOf(device);
    const { membership } = log;
    // Who is out heard of it at some point, and of nothing from then on; reading what came before a reset or a beginning may have been cut short by it.
    const isIn = membership.members.includes(user);
    const end = isIn ? log.head : [...held.keys()].reduce((last, seq) => Math.max(last, seq), base);
    // Put out by an event that was heard but not acknowledged, and lost when the log fell back: nobody tells an outsider of the log's new history.
    const missedFall = !isIn && this.#evidence.fellBack.has(conversation) && epoch !== log.epoch;
    const mayBeVoid = (given: Entry): boolean => missedFall && given.epoch === epoch;
    for (let seq = base + 1; seq <= log.head; seq++) {
      const stored = log.entries.get(seq);
      if (stored === undefined) continue;
      const given = held.get(seq);
      if (given !== undefined) {
        if (!mayBeVoid(given)) this.#compare(device, given, stored);
      } else if (seq <= end && membership.includes(user, seq) && (isIn || seq > readTo)) {
        this.#evidence.object('lost', `${device} was never given seq ${seq} of ${conversation} (${told(stored)})`);
      }
    }
    for (const [seq, given] of held) {
      const what = `${device} was given seq ${seq} of ${conversation} (${told(given)})`;
      if (mayBeVoid(given)) continue;
      if (!log.entries.has(seq)) this.#evidence.object('phantom', `${what}, which the log lacks`);
      if (membership.includes(user, seq)) continue;
      // Once let in again it is theirs to read, but not before.
      const before = membership.stays(user, seq);
      const since = membership.stays(user, Number.POSITIVE_INFINITY);
      if (since === before || given.letIn <= before) this.#evidence.object('not-member', `${what}, when ${user} was no member`);
    }
  }

  /** The text aside: it was judged when it came, and may have been changed since. */
  #compare(device: string, given: Entry, stored: Entry): void {
    const same =
      given.event === stored.event &&
      given.actor === stored.actor &&
      given.target === stored.target &&
      given.emoji === stored.emoji &&
      given.users?.join() === stored.users?.join() &&
      (given.id === stored.id || given.deleted || stored.deleted) &&
      (given.event !== 'message.edited' || given.text === stored.text || given.text === undefined || stored.text === undefined);
    if (same) return;
    const { seq, conversation } = stored;
    const what = `${device} was given ${told(given)} as seq ${seq} of ${conversation}, but the log has ${told(stored)}`;
    this.#evidence.object('content', what);
  }

  /** Whoever is a member in the end has a view. */
  #checkMissing(): void {
    const { users, members, logs } = this.#evidence;
    for (const [device, user] of users) {
      for (const [conversation, began] of members) {
        if (this.views.has(`${device} ${conversation}`)) continue;
        if (began.includes(user)) {
          this.#evidence.object('incomplete', `${device} of ${user} never followed ${conversation}, of which ${user} is a member`);
        } else if (logs.get(conversation)?.membership.members.includes(user)) {
          this.#evidence.object('lost', `${device} was never given anything of ${conversation}, which ${user} was let into`);
        }
      }
    }
  }
}
