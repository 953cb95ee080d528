import type { Position } from '../../shared/event-text.ts';
import type { MemoryLog } from './memory-log.ts';

// biome-ignore lint/suspicious/noExplicitAny: frames of any type, read as the protocol says
type Frame = any;

/**
 * A device that follows section 4.8 of the protocol and objects to whatever the server promises not to do: a gap, a double, a page of a
 * history it was not told of, an event that its user may not hear.
 */
export class StrictClient {
  readonly userId: string;
  readonly cursors = new Map<string, Position>();
  readonly #logs: ReadonlyMap<string, MemoryLog>;
  /** A page of a sync that was asked for may repeat what came before. */
  isSyncing = false;
  /** Conversations in which this sync goes back: they must be told. */
  readonly #asked = new Set<string>();
  /** Conversations it was told to be out of, by an event of a history it is not in. */
  readonly outOfOtherHistory = new Map<string, Position>();
  /** What this sync said it has. */
  readonly #named = new Map<string, Position>();
  /** Earlier names of the history that a cursor is in. */
  readonly #names = new Map<string, Set<string>>();
  /** What the server did that it promises not to do. */
  readonly violations: string[] = [];

  constructor(userId: string, logs: ReadonlyMap<string, MemoryLog>) {
    this.userId = userId;
    this.#logs = logs;
  }

  take(frame: Frame): void {
    switch (frame.type) {
      case 'event':
        this.#event(frame);
        break;
      case 'sync.page':
        this.#page(frame);
        break;
      case 'sync.reset':
        this.#asked.delete(frame.conversationId);
        this.#names.delete(frame.conversationId);
        this.#goTo(frame.conversationId, { epoch: frame.epoch, seq: frame.head });
        break;
      case 'conversation':
        if (frame.change === 'removed') this.#removed(frame);
        else this.#added(frame);
        break;
      case 'sync.done':
        for (const id of this.#asked) this.#check(false, `unanswered: ${this.userId} went back in ${id} and was told nothing`);
        this.isSyncing = false;
        break;
      case 'error':
        if (frame.ref === 'sync') this.isSyncing = false;
        this.#check(frame.error.temporary, `refused: ${JSON.stringify(frame.error)}`);
    }
  }

  /** The cursors of a sync that lie this much behind what the device has. */
  askAgain(back: number): Record<string, Position> {
    this.isSyncing = true;
    this.#asked.clear();
    this.#named.clear();
    const cursors: Record<string, Position> = {};
    for (const [id, { epoch, seq }] of this.cursors) {
      cursors[id] = { epoch, seq: Math.max(0, seq - back) };
      this.#named.set(id, cursors[id]);
      const log = this.#logs.get(id) as MemoryLog;
      if (back > 0 && seq > 0 && log.epoch === epoch && !log.isForkDue && log.isMember(this.userId)) this.#asked.add(id);
    }
    return cursors;
  }

  /** The log was changed in a way that makes an unanswered question fair. */
  forgive(conversationId: string): void {
    this.#asked.delete(conversationId);
  }

  /** Its place is known again, so an earlier one means nothing any more. */
  #goTo(conversationId: string, cursor: Position): void {
    this.outOfOtherHistory.delete(conversationId);
    this.cursors.set(conversationId, cursor);
  }

  #check(holds: boolean, violation: string): void {
    if (!holds) this.violations.push(violation);
  }

  #event(event: Frame): void {
    const { conversationId, seq, epoch } = event;
    const cursor = this.cursors.get(conversationId);
    const where = `${this.userId} in ${conversationId} at ${cursor?.epoch} ${cursor?.seq}`;
    // The log has lost what this device has had last, and does not know yet: the device drops what it has, as the protocol says.
    if (
      cursor !== undefined &&
      epoch === cursor.epoch &&
      seq <= cursor.seq &&
      (this.#logs.get(conversationId) as MemoryLog).hasLost(cursor)
    ) {
      this.#mayHear(event, where);
      return;
    }
    if (cursor !== undefined && epoch === cursor.epoch) {
      this.#check(seq > cursor.seq, `double: ${where} was given ${seq} again`);
      this.#check(seq === cursor.seq + 1, `gap: ${where} was given ${seq}`);
    }
    this.#mayHear(event, where);
    this.#goTo(conversationId, { epoch, seq });
  }

  /** Who was put out before this event may hear it only if let in again since, by an event of the same history. */
  #mayHear({ conversationId, seq, epoch }: Frame, where: string): void {
    const log = this.#logs.get(conversationId) as MemoryLog;
    let isOut = true;
    for (const [i, { event, data }] of log.entries(epoch).entries()) {
      if (event === 'member.added' && data.members?.some(({ userId }) => userId === this.userId)) isOut = false;
      else if (i + 1 < seq && event === 'member.removed' && data.userId === this.userId) isOut = true;
    }
    this.#check(!isOut, `no member: ${where} was given ${seq}`);
  }

  #page(page: Frame): void {
    const { conversationId, epoch, head } = page;
    let cursor = this.cursors.get(conversationId);
    this.#asked.delete(conversationId);
    if (page.continues !== undefined) this.#names.set(conversationId, new Set(this.#names.get(conversationId)).add(page.continues));
    if (cursor !== undefined && page.continues === cursor.epoch && cursor.seq > head) {
      cursor = { epoch, seq: (page.events[0]?.seq ?? head + 1) - 1 };
    } else if (cursor !== undefined && page.continues === cursor.epoch) {
      const log = this.#logs.get(conversationId) as MemoryLog;
      const place = `${this.userId} in ${conversationId} at ${cursor.epoch} ${cursor.seq}`;
      // Who goes back gives up what came after, which may be lost.
      const named = this.isSyncing ? this.#named.get(conversationId) : undefined;
      if (named !== undefined && named.seq < cursor.seq && !log.didContinue(cursor, epoch)) cursor = { ...named };
      // An answer on its way does not know that the log has lost more since: a later answer tells that.
      this.#check(log.didContinue(cursor, epoch), `lost history: ${place} was told that it goes on as ${epoch}`);
      cursor = { epoch, seq: cursor.seq };
    }
    if (cursor === undefined || page.truncated || (this.isSyncing && !this.#named.has(conversationId))) {
      // It reads by itself up to the head, unless it is there already. So it does when its sync did not say what it has.
      const seq = cursor !== undefined && cursor.epoch === epoch ? Math.max(cursor.seq, head) : head;
      this.#goTo(conversationId, { epoch, seq });
      return;
    }
    const where = `${this.userId} in ${conversationId} at ${cursor.epoch} ${cursor.seq}`;
    this.#check(epoch === cursor.epoch, `unknown history: ${where} was given a page of ${epoch}`);
    for (const event of page.events) {
      const { seq } = event;
      this.#mayHear(event, where);
      if (seq <= cursor.seq) {
        this.#check(this.isSyncing, `double: ${where} was given ${seq} again`);
        continue;
      }
      this.#check(seq === cursor.seq + 1, `gap: ${where} was given a page with ${seq}`);
      cursor = { epoch, seq };
    }
    this.#check(cursor.seq >= head, `gap: ${where} was given a page up to ${head}`);
    this.#goTo(conversationId, cursor);
  }

  #added({ conversationId }: Frame): void {
    const place = this.outOfOtherHistory.get(conversationId);
    if (place !== undefined) this.#goTo(conversationId, place);
  }

  #removed({ conversationId, seq, epoch }: Frame): void {
    this.#asked.delete(conversationId);
    const cursor = this.cursors.get(conversationId);
    const isCurrent = cursor?.epoch === epoch || this.#names.get(conversationId)?.has(epoch) === true;
    if (cursor !== undefined && seq !== undefined && isCurrent && cursor.seq > seq) return;
    this.cursors.delete(conversationId);
    // Of a history it does not know, it cannot tell whether the word is late: the place stays known until it is let in again.
    if (cursor !== undefined && epoch !== undefined && !isCurrent) this.outOfOtherHistory.set(conversationId, cursor);
  }
}
