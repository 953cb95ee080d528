import type { Commit, EntryKind, Guard, NewEvent, Write } from '../conversation-log.ts';
import type { ConversationKeys } from './keys.ts';

const KIND_LETTERS: Record<EntryKind, string> = { message: 'm', tombstone: 'x', event: 'e' };
const KINDS: Record<string, EntryKind> = { m: 'message', x: 'tombstone', e: 'event' };

/** What the function `commit` takes: the order of both is described there, in `commit.lua`. */
export interface CommitArguments {
  keys: string[];
  args: (string | number)[];
}

/** How many of the keys in fixed places a commit needs: those behind are left out, and `counted` keys come after all of them. */
const META = 1;
const LOG = 2;
const FEED = 4;
const SENT = 6;
const ROSTER = 7;
const EXTRAS = 8;

/** Puts a commit into the order in which the function reads it. */
export function commitArguments(k: ConversationKeys, commit: Commit, feedMs: number): CommitArguments {
  return new Encoder(k, commit).encode(feedMs);
}

class Encoder {
  readonly #k: ConversationKeys;
  readonly #commit: Commit;
  readonly #counted: string[] = [];
  readonly #guards: (string | number)[] = [];
  readonly #musts: (string | number)[] = [];
  readonly #events: (string | number)[] = [];
  readonly #writes: (string | number)[] = [];
  /** Entries that were said to exist. */
  readonly #existing = new Set<number>();
  /** What the writes up to here make of users who are named: members or not; and of users in groups: counted or not. */
  readonly #members = new Map<string, boolean>();
  readonly #counts = new Map<string, boolean>();
  readonly #cleared = new Set<number>();
  #keysUsed = META;

  constructor(k: ConversationKeys, commit: Commit) {
    this.#k = k;
    this.#commit = commit;
  }

  encode(feedMs: number): CommitArguments {
    const { conversationId, at, actorId, create, key, guards, events, writes, advance, raise, frame, notify } = this.#commit;
    if (key !== undefined) this.#uses(SENT);
    if (create || events !== undefined) this.#uses(FEED);
    for (const guard of guards ?? []) this.#guard(guard);
    for (const [n, event] of events?.entries() ?? []) this.#event(`${conversationId} ${event.name} ${at.toString(36)}`, n, event);
    for (const write of writes ?? []) this.#write(write);
    // Only a member has cursors.
    if (raise !== undefined && actorId === undefined) this.#impossible();
    const flags = `${create ? 'c' : ''}${advance && actorId !== undefined ? 'a' : ''}${notify === 'always' ? 'n' : ''}${feedMs}`;
    const args = [at, actorId ?? '', flags, key ?? '', ...this.#guards];
    if (raise !== undefined && actorId !== undefined) args.push('raise', raise.cursor, raise.to);
    // One after the other: a function takes only so many arguments, and a message may have been edited often.
    for (const list of [this.#musts, this.#events, this.#writes]) for (const arg of list) args.push(arg);
    if (frame !== undefined) args.push('frame', frame.text, frame.end ?? '', frame.upToMembers ?? '');
    const { meta, log, feed, feedMeta, sent0, sent1, roster, extras } = this.#k;
    const fixed = [meta, log, feed, feedMeta, sent0, sent1, roster, extras];
    return { keys: [...fixed.slice(0, this.#keysUsed), ...this.#counted], args };
  }

  #uses(keys: number): void {
    this.#keysUsed = Math.max(this.#keysUsed, keys);
  }

  /** The place of the key that says who is counted in the tally of an entry. */
  #countedKey(seq: number): number {
    this.#uses(EXTRAS);
    const key = this.#k.counted(seq);
    const known = this.#counted.indexOf(key);
    return EXTRAS + (known < 0 ? this.#counted.push(key) : known + 1);
  }

  #guard(guard: Guard): void {
    const args = this.#guardArguments(guard);
    while (args.length < 4) args.push('');
    this.#guards.push(guard.guard, ...args);
  }

  #guardArguments(guard: Guard): (string | number)[] {
    switch (guard.guard) {
      case 'kind':
        this.#uses(LOG);
        return [guard.seq, guard.kinds.map((kind) => KIND_LETTERS[kind]).join('')];
      case 'revision':
        this.#uses(LOG);
        return [guard.seq, guard.revision];
      case 'field':
        return [guard.name, guard.value === undefined ? 0 : 1, guard.value ?? ''];
      case 'role':
        return [guard.userId, guard.role === undefined ? 0 : 1, guard.role ?? ''];
      case 'membersVersion':
        return [guard.version];
      case 'counted': {
        const { seq, group, userId, is } = guard;
        this.#counts.set(`${seq} ${userId} ${group}`, is);
        return [this.#countedKey(seq), group, userId, is ? 1 : 0];
      }
      case 'groups':
        this.#uses(EXTRAS);
        return [guard.seq, guard.group, guard.below];
    }
  }

  #event(pointer: string, before: number, { kind, tail, attachTo }: NewEvent): void {
    this.#events.push(KIND_LETTERS[kind], pointer, tail);
    if (attachTo === undefined) return;
    this.#uses(EXTRAS);
    this.#must('exists', attachTo, before);
    this.#events.push('attach', attachTo);
  }

  #write(write: Write): void {
    const args = this.#writeArguments(write);
    while (args.length < 5) args.push('');
    this.#writes.push(write.write, ...args);
  }

  #writeArguments(write: Write): (string | number)[] {
    switch (write.write) {
      case 'field':
        return [write.name, write.value];
      case 'enter':
        this.#uses(ROSTER);
        this.#mustBeMember(write.userId, false, true);
        return [write.userId, write.role, write.joinedAt, write.place];
      case 'role':
        this.#mustBeMember(write.userId, true, true);
        return [write.userId, write.role];
      case 'leave':
        this.#uses(ROSTER);
        this.#mustBeMember(write.userId, true, false);
        return [write.userId];
      case 'rewrite':
        this.#uses(LOG);
        this.#mustExist(write.seq);
        return [write.seq, KIND_LETTERS[write.kind], write.data];
      case 'clear':
        this.#mustExist(write.seq);
        this.#cleared.add(write.seq);
        for (const name of this.#counts.keys()) if (name.startsWith(`${write.seq} `)) this.#counts.set(name, false);
        return [write.seq, this.#countedKey(write.seq)];
      case 'tally': {
        const { seq, group, userId, counted } = write;
        this.#mustExist(seq);
        const name = `${seq} ${userId} ${group}`;
        const known = this.#counts.get(name) ?? (this.#cleared.has(seq) ? false : undefined);
        if (known === undefined) this.#must('counted', this.#countedKey(seq), group, userId, counted ? 0 : 1);
        else if (known === counted) this.#impossible();
        this.#counts.set(name, counted);
        return [seq, this.#countedKey(seq), group, userId, counted ? 1 : 0];
      }
    }
  }

  #mustExist(seq: number): void {
    if (this.#existing.has(seq)) return;
    this.#existing.add(seq);
    this.#must('exists', seq, this.#commit.events?.length ?? 0);
  }

  #mustBeMember(userId: string, is: boolean, becomes: boolean): void {
    const known = this.#members.get(userId);
    if (known === undefined) this.#must('member', userId, is ? 1 : 0);
    else if (known !== is) this.#impossible();
    this.#members.set(userId, becomes);
  }

  /** Nothing is written, but what comes before in order still answers: there may be no such conversation. */
  #impossible(): void {
    this.#must('exists', 0, 0);
  }

  #must(word: string, ...args: (string | number)[]): void {
    while (args.length < 4) args.push('');
    this.#musts.push('must', word, ...args);
  }
}

/** A log value is the letter of its kind, ordinal, perhaps `.` and revision, `|`, and the event's tail. */
export function parseEntry(value: string): { kind: EntryKind; revision: number; tail: string } {
  const bar = value.indexOf('|');
  const [, revision] = value.slice(1, bar).split('.');
  return { kind: KINDS[value[0] ?? ''] ?? 'event', revision: Number(revision ?? 0), tail: value.slice(bar + 1) };
}
