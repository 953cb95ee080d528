import type { Content } from '../history.ts';

/** A change somebody asked for. */
export interface Change extends Content {
  change: string;
  t: number;
  outcome?: 'acknowledged' | 'refused' | 'unknown';
  /** Where the answer said it stands. */
  seq?: number;
}

interface Standing {
  letIn: number;
  /** When the user was known to be in, with nobody asking otherwise since. */
  inSince: number | undefined;
  /** Somebody asked to put the user out and never learned whether it came to that: it may still. */
  unsure: boolean;
}

/** Everything but messages that was asked for up to now: what may stand in the logs. */
export class AskedChanges {
  readonly #changes = new Map<string, Change>();
  readonly #asked = new Map<string, Change[]>();
  readonly #standings = new Map<string, Standing>();

  /** Those who were in a conversation when it was made. */
  begin(conversation: string, users: readonly string[]): void {
    for (const user of users) Object.assign(this.#standing(conversation, user), { letIn: 1, inSince: 0 });
  }

  ask(change: Change): void {
    this.#changes.set(change.change, change);
    const key = keyOf(change);
    this.#asked.set(key, [...(this.#asked.get(key) ?? []), change]);
    for (const standing of this.#standingsOf(change)) {
      if (change.event === 'member.added') standing.letIn++;
      else standing.inSince = undefined;
    }
  }

  acknowledge(id: string, seq: number | undefined, t: number): Change | undefined {
    const change = this.#changes.get(id);
    if (change === undefined) return undefined;
    change.outcome = 'acknowledged';
    if (seq !== undefined) change.seq = seq;
    if (change.event === 'member.added') for (const standing of this.#standingsOf(change)) standing.inSince = t;
    return change;
  }

  fail(id: string, forGood: boolean): Change | undefined {
    const change = this.#changes.get(id);
    if (change === undefined) return undefined;
    change.outcome = forGood ? 'refused' : 'unknown';
    if (!forGood && change.event === 'member.removed') for (const standing of this.#standingsOf(change)) standing.unsure = true;
    return change;
  }

  get(id: string): Change | undefined {
    return this.#changes.get(id);
  }

  all(): Iterable<Change> {
    return this.#changes.values();
  }

  /** How often this was asked for. */
  times(content: Content): number {
    return this.#asked.get(keyOf(content))?.length ?? 0;
  }

  /** Whether the message may show this text by now. */
  mayRead(conversation: string, actor: string, target: number, text: string | undefined): boolean {
    return this.#asked.get(keyOf({ conversation, actor, event: 'message.edited', target }))?.some((edit) => edit.text === text) ?? false;
  }

  /** Whether the message may be deleted by now. */
  mayBeDeleted(conversation: string, actor: string, target: number): boolean {
    return this.times({ conversation, actor, event: 'message.deleted', target }) > 0;
  }

  /** How often the user was to be let in, the making of the conversation included. */
  lettingIn(conversation: string, user: string): number {
    return this.#standing(conversation, user).letIn;
  }

  /** Whether the user may have been out at any time since. */
  mayHaveBeenOut(conversation: string, user: string, since: number): boolean {
    const { inSince, unsure } = this.#standing(conversation, user);
    return unsure || inSince === undefined || inSince > since;
  }

  /** Whether the user was a member from this time on, whatever came of what nobody has an answer for. */
  isSurelyIn(conversation: string, user: string, since: number): boolean {
    return !this.mayHaveBeenOut(conversation, user, since);
  }

  #standing(conversation: string, user: string): Standing {
    const key = `${conversation} ${user}`;
    let standing = this.#standings.get(key);
    if (standing === undefined) {
      standing = { letIn: 0, inSince: undefined, unsure: false };
      this.#standings.set(key, standing);
    }
    return standing;
  }

  #standingsOf({ event, conversation, users = [] }: Change): Standing[] {
    return event.startsWith('member.') ? users.map((user) => this.#standing(conversation, user)) : [];
  }
}

/** The same for an event and the change that was asked for. The text aside, which a deletion takes away. */
export function keyOf({ conversation, event, actor, target, emoji, users }: Content): string {
  return JSON.stringify([conversation, event, actor, target, emoji, users]);
}
