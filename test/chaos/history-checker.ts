import { AskedChanges, type Change } from './asked-changes.ts';
import type { Entry, HistoryRecord } from './history.ts';
import { isChange, quote, StoredLog, told } from './stored-log.ts';

/**
 * What can be wrong with a history.
 * - `lost`: acknowledged and not in the log, or in the log and never given to a device it is owed to
 * - `doubled`: given twice to a device, or stored twice
 * - `reordered`: given after a later one
 * - `gap`: an event was given before the one that precedes it
 * - `content`: not what was sent, or not what the log says
 * - `phantom`: given, acknowledged or stored, but never sent or asked for, or not in the log
 * - `moved`: one message, two places
 * - `sender-order`: a later message of one sender was stored before an earlier one
 * - `not-member`: given to somebody who was put out and not let in again, or done by somebody who was no member
 * - `refused`, `unanswered`: a send or a change that failed for good, or was never answered
 * - `not-live`: a device that did not come back
 * - `presence`: at the end a live user is not seen online by somebody who watches
 * - `incomplete`: the history lacks what is needed to judge it
 *
 * Not judged, because a history cannot tell: whether a change that was answered with a temporary failure was carried out, as it may be, later
 * and more than once; and where exactly what is given to a member ends who is put out, for the word of it may overtake the last events.
 */
export const PROBLEM_KINDS = [
  'lost',
  'doubled',
  'reordered',
  'gap',
  'content',
  'phantom',
  'moved',
  'sender-order',
  'not-member',
  'refused',
  'unanswered',
  'not-live',
  'presence',
  'incomplete',
] as const;
export type ProblemKind = (typeof PROBLEM_KINDS)[number];

export interface Problem {
  kind: ProblemKind;
  /** When it was noticed, ms since the run began; absent for what only the end shows. */
  t?: number;
  message: string;
}

export interface Verdict {
  problems: Problem[];
  counts: {
    sent: number;
    acknowledged: number;
    /** Sends of members who were, or may have been, put out meanwhile. */
    refused: number;
    given: number;
    stored: number;
    resets: number;
    /** Acknowledged, by the name of the event. */
    changes: Record<string, number>;
    /** Pairs of a device and a user whose coming and going it wants to know. */
    watched: number;
    devices: number;
    conversations: number;
  };
}

interface Send {
  device: string;
  user: string;
  conversation: string;
  id: string;
  text: string;
  t: number;
  seq?: number;
  refused?: true;
}

/** One conversation as one device holds it. */
interface View {
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

/** `letIn`: how often the user of the device was to be let in by the time it was given. */
type Held = Entry & { letIn: number };

/** Reads a history in the order it happened and says what broke a promise. */
export class HistoryChecker {
  readonly #problems: Problem[] = [];
  readonly #users = new Map<string, string>();
  readonly #members = new Map<string, string[]>();
  readonly #sends = new Map<string, Send>();
  readonly #views = new Map<string, View>();
  readonly #logs = new Map<string, StoredLog>();
  readonly #states = new Map<string, string>();
  readonly #asked = new AskedChanges();
  /** Refused for good: judged at the end, by the log. */
  readonly #refusals: { change: Change; code: string; t: number; mayHaveBeenOut: boolean }[] = [];
  /** Conversations that fell back behind what devices had been given. */
  readonly #fellBack = new Set<string>();
  /** Whether the user is seen online, by `device user`; undefined before the first word. */
  readonly #watched = new Map<string, boolean | undefined>();
  readonly #counts = { sent: 0, acknowledged: 0, refused: 0, given: 0, stored: 0, resets: 0, changes: {} as Record<string, number> };

  take(record: HistoryRecord): void {
    const { t } = record;
    switch (record.kind) {
      case 'device':
        this.#users.set(record.device, record.user);
        break;
      case 'conversation':
        this.#members.set(record.conversation, record.members);
        this.#asked.begin(record.conversation, record.members);
        break;
      case 'follows':
        this.#view(record, record.seq, record.seq);
        break;
      case 'begins':
        this.#view(record, 0, record.head, record.head);
        break;
      case 'send':
        this.#counts.sent++;
        this.#sends.set(record.id, { ...record, user: this.#userOf(record.device) });
        break;
      case 'ack':
        this.#acknowledged(record, t);
        break;
      case 'refused':
        this.#refused(record, t);
        break;
      case 'change':
        this.#asked.ask(record);
        break;
      case 'changed': {
        const change = this.#asked.acknowledge(record.change, record.seq, t);
        if (change === undefined) this.#object('phantom', `change ${record.change} was acknowledged, but never asked for`, t);
        else this.#counts.changes[change.event] = (this.#counts.changes[change.event] ?? 0) + 1;
        break;
      }
      case 'unchanged': {
        const change = this.#asked.fail(record.change, record.forGood);
        if (change === undefined || !record.forGood) break;
        const mayHaveBeenOut = this.#asked.mayHaveBeenOut(change.conversation, change.actor, change.t);
        this.#refusals.push({ change, code: record.code, t, mayHaveBeenOut });
        break;
      }
      case 'given':
        this.#counts.given++;
        this.#given(record.device, record, t);
        break;
      case 'reset':
        this.#counts.resets++;
        this.#reset(record);
        break;
      case 'reread': {
        const view = this.#views.get(`${record.device} ${record.conversation}`);
        // Of an epoch that is over it says nothing; one the device has not heard of yet may go on from its own, and the end shows whether it did.
        if (view !== undefined && !view.over.has(record.epoch)) view.held.set(record.seq, this.#held(record.device, record));
        this.#wasAsked(record, `${record.device} read again`, t);
        break;
      }
      case 'state':
        this.#states.set(record.device, record.state);
        break;
      case 'watches':
        this.#watched.set(`${record.device} ${record.user}`, undefined);
        break;
      case 'presence':
        this.#watched.set(`${record.device} ${record.user}`, record.online);
        break;
      case 'log':
        this.#stored(record);
        break;
      case 'logRead': {
        const log = this.#log(record.conversation);
        log.head = record.head;
        log.epoch = record.epoch;
      }
    }
  }

  /** The end of the history. */
  finish(): Verdict {
    const object = this.#object.bind(this);
    for (const log of this.#logs.values()) log.check(this.#asked, (id) => this.#sends.get(id)?.text, object);
    for (const send of this.#sends.values()) this.#checkOutcome(send);
    this.#checkSenderOrder();
    this.#checkChanges();
    this.#checkMemberChanges();
    for (const view of this.#views.values()) this.#checkView(view);
    this.#checkDevices();
    this.#checkPresence();
    return {
      problems: this.#problems,
      counts: { ...this.#counts, watched: this.#watched.size, devices: this.#users.size, conversations: this.#members.size },
    };
  }

  #object(kind: ProblemKind, message: string, t?: number): void {
    this.#problems.push({ kind, message, ...(t === undefined ? {} : { t }) });
  }

  #log(conversation: string): StoredLog {
    let log = this.#logs.get(conversation);
    if (log === undefined) {
      log = new StoredLog(conversation);
      this.#logs.set(conversation, log);
    }
    return log;
  }

  #view(
    { device, conversation, epoch }: { device: string; conversation: string; epoch: string },
    base: number,
    last: number,
    readTo = 0,
  ): void {
    const view = { device, conversation, epoch, over: new Set<string>(), base, last, readTo, held: new Map(), places: new Map() };
    this.#views.set(`${device} ${conversation}`, view);
  }

  #held(device: string, entry: Entry): Held {
    return { ...entry, letIn: this.#asked.lettingIn(entry.conversation, this.#userOf(device)) };
  }

  #userOf(device: string): string {
    return this.#users.get(device) ?? device;
  }

  #refused({ device, id, code }: { device: string; id: string; code: string }, t: number): void {
    const send = this.#sends.get(id);
    if (send !== undefined) send.refused = true;
    if (code === 'CHAT_ERR_NOT_MEMBER' && send !== undefined && this.#asked.mayHaveBeenOut(send.conversation, send.user, send.t)) {
      this.#counts.refused++;
    } else this.#object('refused', `message ${id} of ${device} was refused for good: ${code}`, t);
  }

  #acknowledged(ack: { device: string; conversation: string; id: string; seq: number }, t: number): void {
    const send = this.#sends.get(ack.id);
    if (send === undefined) {
      this.#object('phantom', `${ack.device} was acknowledged message ${ack.id}, which was never sent`, t);
      return;
    }
    if (send.seq === undefined) {
      this.#counts.acknowledged++;
      send.seq = ack.seq;
    } else if (send.seq !== ack.seq) {
      this.#object('moved', `message ${ack.id} was acknowledged as seq ${send.seq}, and then as seq ${ack.seq} of ${ack.conversation}`, t);
    }
  }

  #given(device: string, entry: Entry, t: number): void {
    const { conversation, seq } = entry;
    const what = `${device} was given seq ${seq} of ${conversation}`;
    const view = this.#views.get(`${device} ${conversation}`);
    if (view === undefined) {
      this.#object('phantom', `${what} without following it`, t);
      return;
    }
    if (entry.epoch !== view.epoch) {
      // The log of another epoch may go on from what the device holds, and the server says so; whether that was true, the end shows.
      if (view.over.has(entry.epoch)) this.#object('content', `${what} of epoch ${entry.epoch}, which was over`, t);
      view.over.add(view.epoch);
      view.epoch = entry.epoch;
    }
    if (view.held.has(seq) || seq <= view.base) this.#object('doubled', `${what} (${told(entry)}) twice`, t);
    else if (seq <= view.last) this.#object('reordered', `${what} (${told(entry)}) after seq ${view.last}`, t);
    else if (seq > view.last + 1)
      this.#object('gap', `${what} right after seq ${view.last}: ${seq - view.last - 1} between are missing`, t);
    const place = entry.id === undefined ? undefined : view.places.get(entry.id);
    if (place !== undefined && place !== seq) {
      this.#object('doubled', `${device} was given message ${entry.id} twice in ${conversation}: as seq ${place} and as seq ${seq}`, t);
    }
    if (entry.id !== undefined) view.places.set(entry.id, seq);
    view.held.set(seq, this.#held(device, entry));
    view.last = Math.max(view.last, seq);
    this.#wasAsked(entry, `${device} was given`, t);
  }

  #reset({ device, conversation, epoch, head }: { device: string; conversation: string; epoch: string; head: number }): void {
    const view = this.#views.get(`${device} ${conversation}`);
    this.#fellBack.add(conversation);
    if (view === undefined) return;
    view.over.add(view.epoch);
    view.epoch = epoch;
    view.base = 0;
    view.last = head;
    view.readTo = head;
    view.held.clear();
    view.places.clear();
  }

  /** Whatever turns up anywhere was asked for before. A message is as it was sent, or as an edit or a deletion may have left it. */
  #wasAsked(entry: Entry, where: string, t?: number): void {
    const { conversation, actor, seq, text } = entry;
    const what = `${where} seq ${seq} of ${conversation}`;
    if (isChange(entry)) this.#wasChanged(entry, what, t);
    if (entry.event !== 'message.created') return;
    if (entry.deleted) {
      if (!this.#asked.mayBeDeleted(conversation, actor, seq)) this.#object('content', `${what} as deleted, which nobody asked for`, t);
      return;
    }
    const send = this.#sends.get(entry.id ?? '');
    if (send === undefined) {
      this.#object('phantom', `${what}, message ${entry.id}, which was never sent`, t);
      return;
    }
    if (send.conversation !== conversation)
      this.#object('content', `${what}, message ${entry.id}, which was sent to ${send.conversation}`, t);
    if (send.user !== actor) this.#object('content', `${what} as a message of ${actor}, but ${send.user} sent it`, t);
    if (send.text !== text && !this.#asked.mayRead(conversation, actor, seq, text)) {
      this.#object('content', `${what} as ${quote(text)}, but ${quote(send.text)} was sent`, t);
    }
  }

  #wasChanged(entry: Entry, what: string, t?: number): void {
    const { conversation, event, actor, target = 0, text } = entry;
    if (this.#asked.times(entry) === 0) {
      this.#object('phantom', `${what} (${told(entry)}), which nobody asked for`, t);
    } else if (event === 'message.edited' && !this.#asked.mayRead(conversation, actor, target, text)) {
      // A deletion takes the text of the edits as well.
      if (text === undefined && this.#asked.mayBeDeleted(conversation, actor, target)) return;
      this.#object('content', `${what} as an edit to ${quote(text)}, which nobody asked for`, t);
    }
  }

  #stored(entry: Entry): void {
    this.#counts.stored++;
    const log = this.#log(entry.conversation);
    if (log.entries.has(entry.seq)) this.#object('doubled', `the log of ${entry.conversation} has seq ${entry.seq} twice`);
    log.entries.set(entry.seq, entry);
    if (entry.id !== undefined) {
      const place = log.places.get(entry.id);
      if (place !== undefined) {
        this.#object('doubled', `message ${entry.id} is stored twice in ${entry.conversation}: as seq ${place} and as seq ${entry.seq}`);
      }
      log.places.set(entry.id, entry.seq);
    }
    this.#wasAsked(entry, 'the log has');
  }

  #checkOutcome(send: Send): void {
    const { id, device, conversation, seq, t } = send;
    if (seq === undefined) {
      if (send.refused !== true) this.#object('unanswered', `message ${id} of ${device} to ${conversation} was never answered`, t);
      return;
    }
    const log = this.#logs.get(conversation);
    if (log === undefined) return;
    const place = log.places.get(id);
    if (place === undefined) {
      const there = log.entries.get(seq);
      // Its id was erased with the rest of it.
      if (there?.deleted && there.actor === send.user) return;
      const instead = there === undefined ? 'nothing' : told(there);
      this.#object(
        'lost',
        `message ${id} was acknowledged to ${device} as seq ${seq} of ${conversation}, but the log has ${instead} there`,
        t,
      );
    } else if (place !== seq) {
      this.#object('moved', `message ${id} was acknowledged as seq ${seq} of ${conversation}, but the log has it as seq ${place}`, t);
    }
  }

  /** A client sends one after the other, so of one device and conversation they are stored in the order they were sent. */
  #checkSenderOrder(): void {
    const latest = new Map<string, Send>();
    for (const send of this.#sends.values()) {
      if (send.seq === undefined) continue;
      const key = `${send.device} ${send.conversation}`;
      const before = latest.get(key);
      if (before?.seq !== undefined && before.seq > send.seq) {
        const places = `seq ${before.seq} and seq ${send.seq} of ${send.conversation}`;
        this.#object('sender-order', `${send.device} sent ${before.id} before ${send.id}, but they are stored as ${places}`, send.t);
      }
      latest.set(key, send);
    }
  }

  #checkChanges(): void {
    for (const change of this.#asked.all()) {
      this.#logs.get(change.conversation)?.checkChange(change, this.#object.bind(this));
      if (change.outcome === undefined) {
        this.#object('unanswered', `${change.event} ${change.change} of ${change.actor} was never answered`, change.t);
      }
    }
    for (const { change, code, t, mayHaveBeenOut } of this.#refusals) {
      const { conversation, event, actor, target } = change;
      if (code === 'CHAT_ERR_NOT_MEMBER' && mayHaveBeenOut) continue;
      const gone = this.#fellBack.has(conversation) || this.#logs.get(conversation)?.entries.get(target ?? 0)?.deleted === true;
      if (code === 'CHAT_ERR_MESSAGE_NOT_FOUND' && gone) continue;
      this.#object('refused', `${event} ${change.change} of ${actor} was refused for good: ${code}`, t);
    }
  }

  #checkMemberChanges(): void {
    const acknowledged = [...this.#asked.all()].filter(({ event, outcome }) => event.startsWith('member.') && outcome === 'acknowledged');
    for (const [conversation, changes] of Map.groupBy(acknowledged, (change) => change.conversation)) {
      for (const user of new Set(changes.flatMap(({ users = [] }) => users))) {
        const ofUser = changes.filter(({ users }) => users?.includes(user));
        const wasIn = this.#members.get(conversation)?.includes(user) === true;
        this.#logs.get(conversation)?.checkStates(user, wasIn, ofUser, this.#object.bind(this));
      }
    }
  }

  #checkView({ device, conversation, epoch, base, readTo, held }: View): void {
    const log = this.#logs.get(conversation);
    if (log?.head === undefined) {
      if (log === undefined) this.#object('incomplete', `the log of ${conversation} was not read`);
      return;
    }
    const user = this.#userOf(device);
    const { membership } = log;
    // Who is out heard of it at some point, and of nothing from then on; reading what came before a reset or a beginning may have been cut short by it.
    const isIn = membership.members.includes(user);
    const end = isIn ? log.head : [...held.keys()].reduce((last, seq) => Math.max(last, seq), base);
    // Put out by an event that was heard but not acknowledged, and lost when the log fell back: nobody tells an outsider of the log's new history.
    const missedFall = !isIn && this.#fellBack.has(conversation) && epoch !== log.epoch;
    const mayBeVoid = (given: Entry): boolean => missedFall && given.epoch === epoch;
    for (let seq = base + 1; seq <= log.head; seq++) {
      const stored = log.entries.get(seq);
      if (stored === undefined) continue;
      const given = held.get(seq);
      if (given !== undefined) {
        if (!mayBeVoid(given)) this.#compare(device, given, stored);
      } else if (seq <= end && membership.includes(user, seq) && (isIn || seq > readTo)) {
        this.#object('lost', `${device} was never given seq ${seq} of ${conversation} (${told(stored)})`);
      }
    }
    for (const [seq, given] of held) {
      const what = `${device} was given seq ${seq} of ${conversation} (${told(given)})`;
      if (mayBeVoid(given)) continue;
      if (!log.entries.has(seq)) this.#object('phantom', `${what}, which the log lacks`);
      if (membership.includes(user, seq)) continue;
      // Once let in again it is theirs to read, but not before.
      const before = membership.stays(user, seq);
      const since = membership.stays(user, Number.POSITIVE_INFINITY);
      if (since === before || given.letIn <= before) this.#object('not-member', `${what}, when ${user} was no member`);
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
    this.#object('content', `${device} was given ${told(given)} as seq ${seq} of ${conversation}, but the log has ${told(stored)}`);
  }

  #checkDevices(): void {
    for (const [device, user] of this.#users) {
      const state = this.#states.get(device);
      if (state !== 'live') this.#object('not-live', `${device} of ${user} was not live at the end, but ${state ?? 'never connected'}`);
      for (const [conversation, members] of this.#members) {
        if (this.#views.has(`${device} ${conversation}`)) continue;
        if (members.includes(user)) {
          this.#object('incomplete', `${device} of ${user} never followed ${conversation}, of which ${user} is a member`);
        } else if (this.#logs.get(conversation)?.membership.members.includes(user)) {
          this.#object('lost', `${device} was never given anything of ${conversation}, which ${user} was let into`);
        }
      }
    }
  }

  #checkPresence(): void {
    const live = new Set([...this.#users].flatMap(([device, user]) => (this.#states.get(device) === 'live' ? [user] : [])));
    for (const [pair, online] of this.#watched) {
      const [device = '', user = ''] = pair.split(' ');
      if (online === true || !live.has(user)) continue;
      this.#object(
        'presence',
        `${device} ${online === undefined ? 'was told nothing of' : 'sees offline'} ${user}, who is live at the end`,
      );
    }
  }
}

/** Judges a whole history. */
export async function checkHistory(records: Iterable<HistoryRecord> | AsyncIterable<HistoryRecord>): Promise<Verdict> {
  const checker = new HistoryChecker();
  for await (const record of records) checker.take(record);
  return checker.finish();
}

/** The verdict for people: how many of each kind, and the first of them in full. */
export function describeProblems(problems: readonly Problem[], shown = 20): string {
  if (problems.length === 0) return 'no promise was broken';
  const totals = PROBLEM_KINDS.map((kind) => ({ kind, count: problems.filter((problem) => problem.kind === kind).length }));
  const head = totals.flatMap(({ kind, count }) => (count === 0 ? [] : [`${kind} ${count}`])).join(', ');
  const lines = problems
    .slice(0, shown)
    .map(({ kind, t, message }) => `  ${kind}: ${message}${t === undefined ? '' : ` (at ${(t / 1000).toFixed(1)} s)`}`);
  if (problems.length > shown) lines.push(`  and ${problems.length - shown} more`);
  return [`${problems.length} problems: ${head}`, ...lines].join('\n');
}
