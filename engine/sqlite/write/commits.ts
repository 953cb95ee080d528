import type { DatabaseSync } from 'node:sqlite';
import { eventStamp } from '../../../shared/event-text.ts';
import type { ConversationId, Epoch } from '../../../shared/primitives.ts';
import type { ActivationState, Commit, CommitOutcome, CommitState, Guard, NewEvent, Write } from '../../conversation-log.ts';
import { type ConversationState, Conversations, type MemberState } from './conversations.ts';
import { Dedupe } from './dedupe.ts';
import { FeedWrites } from './feed.ts';
import { Log, requireEntry } from './log.ts';
import { Tallies } from './tallies.ts';

/**
 * Carries out commits inside a transaction. An outcome other than `committed` wrote nothing. What throws may have written some of it:
 * the transaction must be rolled back, and `reset` called.
 */
export class Commits {
  /** Conversation id, text, conversation id, text, …: what this transaction publishes once it is durable. */
  published: string[] = [];
  readonly #conversations: Conversations;
  readonly #log: Log;
  readonly #tallies: Tallies;
  readonly #dedupe: Dedupe;
  readonly #feed: FeedWrites;

  constructor(db: DatabaseSync, feedDays: number) {
    this.#conversations = new Conversations(db);
    this.#log = new Log(db);
    this.#tallies = new Tallies(db);
    this.#dedupe = new Dedupe(db);
    this.#feed = new FeedWrites(db, feedDays);
  }

  /** Whether content was erased since this was last asked, so that older copies of its pages must go. */
  takeErased(): boolean {
    const { erased } = this.#log;
    this.#log.erased = false;
    return erased;
  }

  carryOut(commit: Commit): CommitOutcome {
    const { conversationId, at, actorId, key, create = false, raise } = commit;
    const existing = this.#conversations.find(conversationId);
    if (create && existing !== undefined) return { status: 'exists', ...stateOf(existing) };
    if (!create && existing === undefined) return { status: 'notFound' };
    const conversation = existing ?? this.#conversations.blank(conversationId, at);
    const actor = actorId === undefined ? undefined : this.#conversations.member(conversation, actorId);
    if (actorId !== undefined && actor === undefined) return { status: 'notMember' };

    const first = key === undefined ? undefined : this.#dedupe.find(conversation, actorId ?? '', key, at);
    if (first !== undefined) return this.#duplicate(conversation, first);
    const refusing = commit.guards?.findIndex((guard) => !this.#holds(conversation, guard)) ?? -1;
    if (refusing >= 0) return { status: 'refused', guard: refusing, ...stateOf(conversation) };
    const reached = raise === undefined ? 0 : Math.min(raise.to, conversation.head);
    if (raise !== undefined && !this.#raise(conversation, commit, actor, reached)) return { status: 'unchanged', ...stateOf(conversation) };

    if (existing === undefined) this.#conversations.insert(conversation);
    const { events } = commit;
    if (events !== undefined && events.length > 0) this.#append(conversation, commit, actor, events);
    if (commit.writes !== undefined) for (const write of commit.writes) this.#write(conversation, write);
    const isTold = this.#publishFrame(conversation, commit, reached);
    const appended = events?.length ?? 0;
    return { status: 'committed', seq: appended > 0 ? conversation.head : 0, published: appended > 0 || isTold, ...stateOf(conversation) };
  }

  replaceActivation(conversationId: ConversationId, epoch: Epoch, before: ActivationState, after: ActivationState): boolean {
    const conversation = this.#conversations.find(conversationId);
    if (conversation === undefined || conversation.epoch !== epoch) return false;
    const { activeUntil, activeFrom, notifyFrom, addedSeq } = conversation;
    const isAsBefore =
      activeUntil === before.activeUntil &&
      activeFrom === before.activeFrom &&
      notifyFrom === before.notifyFrom &&
      addedSeq === before.addedSeq;
    if (!isAsBefore) return false;
    conversation.activeUntil = after.activeUntil;
    conversation.activeFrom = after.activeFrom;
    conversation.notifyFrom = after.notifyFrom;
    conversation.addedSeq = after.addedSeq;
    this.#conversations.touch(conversation);
    return true;
  }

  /** Writes what commits have changed in memory; the last thing before the transaction ends. */
  flush(): void {
    this.#dedupe.prune();
    this.#feed.trim();
    this.#conversations.flush();
  }

  /** Between transactions: keeps memory bounded. */
  trim(): void {
    this.#conversations.trim();
  }

  /** After a rollback: nothing held in memory is true. */
  reset(): void {
    this.#conversations.clear();
    this.#dedupe.reset();
    this.#feed.reset();
  }

  #duplicate(conversation: ConversationState, seq: number): CommitOutcome {
    const entry = this.#log.entry(conversation, seq);
    if (entry === undefined) throw new Error(`an idempotency key of ${conversation.id} names seq ${seq}, which is not there`);
    return { status: 'duplicate', seq, tail: eventStamp(entry.text), ...stateOf(conversation) };
  }

  #holds(conversation: ConversationState, guard: Guard): boolean {
    switch (guard.guard) {
      case 'kind': {
        const entry = this.#log.entry(conversation, guard.seq);
        return entry !== undefined && guard.kinds.includes(entry.kind);
      }
      case 'revision':
        return this.#log.entry(conversation, guard.seq)?.revision === guard.revision;
      case 'field':
        return conversation.fields[guard.name] === guard.value;
      case 'role':
        return this.#conversations.member(conversation, guard.userId)?.role === guard.role;
      case 'membersVersion':
        return conversation.membersVersion === guard.version;
      case 'counted':
        return this.#tallies.isCounted(conversation, guard.seq, guard.group, guard.userId) === guard.is;
      case 'groups':
        return this.#tallies.takesGroup(conversation, guard.seq, guard.group, guard.below);
    }
  }

  /** False when the cursor is there or beyond. */
  #raise(conversation: ConversationState, { raise, actorId }: Commit, actor: MemberState | undefined, reached: number): boolean {
    if (actor === undefined || actorId === undefined) throw new Error('a cursor is raised without an actor');
    const isRead = raise?.cursor === 'read';
    if (reached <= (isRead ? actor.readSeq : actor.deliveredSeq)) return false;
    if (isRead) actor.readSeq = reached;
    actor.deliveredSeq = Math.max(actor.deliveredSeq, reached);
    this.#conversations.touchMember(conversation, actorId, actor);
    return true;
  }

  #append(
    conversation: ConversationState,
    { at, actorId = '', key, advance, notify }: Commit,
    actor: MemberState | undefined,
    events: readonly NewEvent[],
  ): void {
    this.#conversations.forkIfRewound(conversation, at);
    const firstSeq = conversation.head + 1;
    for (const event of events) {
      const text = this.#log.append(conversation, event);
      this.#feed.append(conversation, event.name, at);
      this.published.push(conversation.id, text);
    }
    // Clocks of the callers may differ; the list of conversations should not jump back.
    conversation.updatedAt = Math.max(conversation.updatedAt, at);
    if (conversation.notifyFrom === 0 && (notify === 'always' || at >= conversation.activeUntil)) conversation.notifyFrom = firstSeq;
    if (notify === 'always') conversation.addedSeq = conversation.head;
    this.#conversations.touch(conversation);
    if (key !== undefined) this.#dedupe.insert(conversation, actorId, key, at, conversation.head);
    if (!advance || actor === undefined) return;
    actor.readSeq = conversation.head;
    actor.deliveredSeq = conversation.head;
    this.#conversations.touchMember(conversation, actorId, actor);
  }

  #write(conversation: ConversationState, write: Write): void {
    switch (write.write) {
      case 'field':
        this.#conversations.setField(conversation, write.name, write.value);
        return;
      case 'enter':
        this.#conversations.addMember(conversation, write.userId, write.role, write.joinedAt, write.place);
        return;
      case 'role':
        this.#conversations.setRole(conversation, write.userId, write.role);
        return;
      case 'leave':
        this.#conversations.removeMember(conversation, write.userId);
        return;
      case 'rewrite':
        this.#log.rewrite(conversation, write.seq, write.kind, write.data);
        return;
      case 'clear':
        requireEntry(conversation, write.seq);
        this.#log.detach(conversation, write.seq);
        this.#tallies.clear(conversation, write.seq);
        return;
      case 'tally':
        this.#tallies.write(conversation, write);
        return;
    }
  }

  #publishFrame(conversation: ConversationState, { frame, raise }: Commit, reached: number): boolean {
    if (frame === undefined || conversation.memberCount > (frame.upToMembers ?? Number.POSITIVE_INFINITY)) return false;
    this.published.push(conversation.id, raise === undefined ? frame.text : `${frame.text}${reached}${frame.end ?? ''}`);
    return true;
  }
}

function stateOf({ head, epoch, activeUntil, notifyFrom }: ConversationState): CommitState {
  return { head, epoch, activeUntil, notifyFrom };
}
