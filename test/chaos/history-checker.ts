import type { Entry, HistoryRecord } from './history.ts';

/**
 * What can be wrong with a history.
 * - `lost`: acknowledged and not in the log, or in the log and never given to a device it is owed to
 * - `doubled`: given twice to a device, or stored twice
 * - `reordered`: given after a later one
 * - `gap`: an event was given before the one that precedes it
 * - `content`: not what was sent, or not what the log says
 * - `phantom`: given, acknowledged or stored, but never sent, or not in the log
 * - `moved`: one message, two places
 * - `sender-order`: a later message of one sender was stored before an earlier one
 * - `refused`, `unanswered`: a send that failed for good, or was never answered
 * - `not-live`: a device that did not come back
 * - `incomplete`: the history lacks what is needed to judge it
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
  'refused',
  'unanswered',
  'not-live',
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
  counts: { sent: number; acknowledged: number; given: number; stored: number; resets: number; devices: number; conversations: number };
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
  held: Map<number, Entry>;
  /** Where each message was given, by clientMessageId. */
  places: Map<string, number>;
}

interface Log {
  head?: number;
  entries: Map<number, Entry>;
  places: Map<string, number>;
}

/** Reads a history in the order it happened and says what broke a promise. */
export class HistoryChecker {
  readonly #problems: Problem[] = [];
  readonly #users = new Map<string, string>();
  readonly #members = new Map<string, string[]>();
  readonly #sends = new Map<string, Send>();
  readonly #views = new Map<string, View>();
  readonly #logs = new Map<string, Log>();
  readonly #states = new Map<string, string>();
  readonly #counts = { sent: 0, acknowledged: 0, given: 0, stored: 0, resets: 0 };

  take(record: HistoryRecord): void {
    const { t } = record;
    switch (record.kind) {
      case 'device':
        this.#users.set(record.device, record.user);
        break;
      case 'conversation':
        this.#members.set(record.conversation, record.members);
        break;
      case 'follows':
        this.#views.set(`${record.device} ${record.conversation}`, {
          ...{ device: record.device, conversation: record.conversation, epoch: record.epoch, base: record.seq, last: record.seq },
          ...{ over: new Set(), held: new Map(), places: new Map() },
        });
        break;
      case 'send':
        this.#counts.sent++;
        this.#sends.set(record.id, { ...record, user: this.#users.get(record.device) ?? record.device });
        break;
      case 'ack':
        this.#acknowledged(record, t);
        break;
      case 'refused': {
        const send = this.#sends.get(record.id);
        if (send !== undefined) send.refused = true;
        this.#object('refused', `message ${record.id} of ${record.device} was refused for good: ${record.code}`, t);
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
        if (view?.epoch === record.epoch) view.held.set(record.seq, record);
        this.#wasSent(record, `${record.device} read again`, t);
        break;
      }
      case 'state':
        this.#states.set(record.device, record.state);
        break;
      case 'log':
        this.#stored(record);
        break;
      case 'logRead': {
        this.#log(record.conversation).head = record.head;
      }
    }
  }

  /** The end of the history. */
  finish(): Verdict {
    for (const [conversation, log] of this.#logs) this.#checkLog(conversation, log);
    for (const send of this.#sends.values()) this.#checkOutcome(send);
    this.#checkSenderOrder();
    for (const view of this.#views.values()) this.#checkView(view);
    this.#checkDevices();
    return {
      problems: this.#problems,
      counts: { ...this.#counts, devices: this.#users.size, conversations: this.#members.size },
    };
  }

  #object(kind: ProblemKind, message: string, t?: number): void {
    this.#problems.push({ kind, message, ...(t === undefined ? {} : { t }) });
  }

  #log(conversation: string): Log {
    let log = this.#logs.get(conversation);
    if (log === undefined) {
      log = { entries: new Map(), places: new Map() };
      this.#logs.set(conversation, log);
    }
    return log;
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
    view.held.set(seq, entry);
    view.last = Math.max(view.last, seq);
    this.#wasSent(entry, `${device} was given`, t);
  }

  #reset({ device, conversation, epoch, head }: { device: string; conversation: string; epoch: string; head: number }): void {
    const view = this.#views.get(`${device} ${conversation}`);
    if (view === undefined) return;
    view.over.add(view.epoch);
    view.epoch = epoch;
    view.base = 0;
    view.last = head;
    view.held.clear();
    view.places.clear();
  }

  /** A message that turns up anywhere is one that was sent, unchanged. */
  #wasSent(entry: Entry, where: string, t?: number): void {
    if (entry.event !== 'message.created') return;
    const send = this.#sends.get(entry.id ?? '');
    const what = `${where} seq ${entry.seq} of ${entry.conversation}`;
    if (send === undefined) {
      this.#object('phantom', `${what}, message ${entry.id}, which was never sent`, t);
      return;
    }
    if (send.conversation !== entry.conversation) {
      this.#object('content', `${what}, message ${entry.id}, which was sent to ${send.conversation}`, t);
    }
    if (send.user !== entry.actor) this.#object('content', `${what} as a message of ${entry.actor}, but ${send.user} sent it`, t);
    if (send.text !== entry.text) this.#object('content', `${what} as ${quote(entry.text)}, but ${quote(send.text)} was sent`, t);
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
    this.#wasSent(entry, 'the log has');
  }

  #checkLog(conversation: string, { head, entries }: Log): void {
    if (head === undefined) this.#object('incomplete', `the log of ${conversation} was not read to its end`);
    for (let seq = 1; seq <= (head ?? 0); seq++) {
      if (!entries.has(seq)) this.#object('gap', `the log of ${conversation} has no seq ${seq}, though it goes on to ${head}`);
    }
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

  #checkView({ device, conversation, base, held }: View): void {
    const log = this.#logs.get(conversation);
    if (log?.head === undefined) {
      if (log === undefined) this.#object('incomplete', `the log of ${conversation} was not read`);
      return;
    }
    for (let seq = base + 1; seq <= log.head; seq++) {
      const stored = log.entries.get(seq);
      if (stored === undefined) continue;
      const given = held.get(seq);
      if (given === undefined) this.#object('lost', `${device} was never given seq ${seq} of ${conversation} (${told(stored)})`);
      else if (given.event !== stored.event || given.actor !== stored.actor || given.id !== stored.id || given.text !== stored.text) {
        this.#object('content', `${device} was given ${told(given)} as seq ${seq} of ${conversation}, but the log has ${told(stored)}`);
      }
    }
    for (const [seq, given] of held) {
      if (!log.entries.has(seq))
        this.#object('phantom', `${device} was given seq ${seq} of ${conversation} (${told(given)}), which the log lacks`);
    }
  }

  #checkDevices(): void {
    for (const [device, user] of this.#users) {
      const state = this.#states.get(device);
      if (state !== 'live') this.#object('not-live', `${device} of ${user} was not live at the end, but ${state ?? 'never connected'}`);
      for (const [conversation, members] of this.#members) {
        if (members.includes(user) && !this.#views.has(`${device} ${conversation}`)) {
          this.#object('incomplete', `${device} of ${user} never followed ${conversation}, of which ${user} is a member`);
        }
      }
    }
  }
}

function told(entry: Entry): string {
  return entry.id === undefined ? `${entry.event} by ${entry.actor}` : `message ${entry.id} of ${entry.actor}`;
}

function quote(text: string | undefined): string {
  if (text === undefined) return 'no text';
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
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
