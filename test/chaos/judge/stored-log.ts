import type { Entry } from '../history.ts';
import { type AskedChanges, type Change, keyOf } from './asked-changes.ts';
import { Membership } from './membership.ts';
import type { Objection } from './problem.ts';

/** The log of one conversation as it was read at the end. */
export class StoredLog {
  readonly conversation: string;
  head: number | undefined;
  /** As it was read at the end. */
  epoch: string | undefined;
  readonly entries = new Map<number, Entry>();
  /** Where each message stands, by clientMessageId. */
  readonly places = new Map<string, number>();
  #membership: Membership | undefined;

  constructor(conversation: string) {
    this.conversation = conversation;
  }

  get membership(): Membership {
    this.#membership ??= new Membership(this.entries.values());
    return this.#membership;
  }

  /** Whole; of its members' making; nothing in it more often than asked for; every message as its edits, deletion and reactions left it. */
  check(asked: AskedChanges, sentText: (id: string) => string | undefined, object: Objection): void {
    const { conversation, head, entries } = this;
    if (head === undefined) object('incomplete', `the log of ${conversation} was not read to its end`);
    for (let seq = 1; seq <= (head ?? 0); seq++) {
      if (!entries.has(seq)) object('gap', `the log of ${conversation} has no seq ${seq}, though it goes on to ${head}`);
    }
    this.#checkMakers(asked, object);
    const about = Map.groupBy(entries.values(), ({ target }) => target);
    for (const entry of entries.values()) {
      if (entry.event === 'message.created') this.#checkMessage(entry, about.get(entry.seq) ?? [], sentText, object);
    }
  }

  #checkMakers(asked: AskedChanges, object: Objection): void {
    const times = new Map<string, number>();
    for (const entry of this.entries.values()) {
      const what = `the log has seq ${entry.seq} of ${this.conversation} (${told(entry)})`;
      if (!this.membership.includes(entry.actor, entry.seq)) object('not-member', `${what}, but ${entry.actor} was no member then`);
      if (!isChange(entry)) continue;
      const key = keyOf(entry);
      const count = (times.get(key) ?? 0) + 1;
      times.set(key, count);
      if (count === asked.times(entry) + 1) object('phantom', `${what}, which was asked for only ${count - 1} times`);
    }
  }

  /** What the log shows is what the later events about it made of it. */
  #checkMessage(message: Entry, about: readonly Entry[], sentText: (id: string) => string | undefined, object: Objection): void {
    const what = `the log shows seq ${message.seq} of ${this.conversation} as`;
    const erased = about.some(({ event }) => event === 'message.deleted');
    if (erased !== (message.deleted === true)) {
      object('content', `${what} ${message.deleted ? 'deleted' : 'not deleted'}, but its events say otherwise`);
    }
    if (erased) return;
    const text = about.findLast(({ event }) => event === 'message.edited')?.text ?? sentText(message.id ?? '');
    if (text !== undefined && text !== message.text) object('content', `${what} ${quote(message.text)}, but its edits left ${quote(text)}`);
    const [shown, left] = [reactionsText(message.reactions ?? {}), reactionsText(reactionsAfter(about))];
    if (shown !== left) object('content', `${what} having the reactions ${shown}, but its events left ${left}`);
  }

  /** An acknowledged change stands where its ack said. */
  checkChange(change: Change, object: Objection): void {
    if (change.seq === undefined) return;
    const there = this.entries.get(change.seq);
    const same = there !== undefined && keyOf(there) === keyOf(change) && (there.text === undefined || there.text === change.text);
    if (same) return;
    const instead = there === undefined ? 'nothing' : told(there);
    const what = `${change.event} ${change.change} was acknowledged to ${change.actor} as seq ${change.seq} of ${this.conversation}`;
    object('lost', `${what}, but the log has ${instead} there`, change.t);
  }

  /**
   * Acks of member changes tell no seq. But one after the other each of them found its user in or out as asked for, so the log must have
   * had these states in this order. `wasIn`: the user was a member from the beginning.
   */
  checkStates(user: string, wasIn: boolean, acknowledged: readonly Change[], object: Objection): void {
    const states = this.membership.states(user);
    let at = wasIn ? 1 : 0;
    for (const change of acknowledged) {
      const wanted = change.event === 'member.added';
      while (at < states.length && states[at] !== wanted) at++;
      if (at < states.length) continue;
      const outcome = `${user} never was ${wanted ? 'in' : 'out'} again`;
      object('lost', `${change.event} ${change.change} was acknowledged, but by the log of ${this.conversation} ${outcome}`, change.t);
      return;
    }
  }
}

/** Anything but a message, and but what the conversation began with. */
export function isChange({ event, seq }: Entry): boolean {
  return event !== 'message.created' && seq > 1;
}

function reactionsAfter(events: readonly Entry[]): Record<string, string[]> {
  const users: Record<string, string[]> = {};
  for (const { event, emoji = '', actor } of events) {
    if (event !== 'reaction.added' && event !== 'reaction.removed') continue;
    users[emoji] = (users[emoji] ?? []).filter((user) => user !== actor);
    if (event === 'reaction.added') users[emoji].push(actor);
  }
  return users;
}

function reactionsText(users: Record<string, string[]>): string {
  const lists = Object.entries(users).filter(([, list]) => list.length > 0);
  return JSON.stringify(lists.map(([emoji, list]) => [emoji, ...list.toSorted()]).sort());
}

export function told(entry: Entry): string {
  if (entry.id !== undefined) return `message ${entry.id} of ${entry.actor}`;
  const about = [
    entry.target === undefined ? '' : ` of seq ${entry.target}`,
    entry.users === undefined ? '' : ` ${entry.users.join(', ')}`,
  ];
  return `${entry.event}${about.join('')} by ${entry.actor}`;
}

export function quote(text: string | undefined): string {
  if (text === undefined) return 'no text';
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
