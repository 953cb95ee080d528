import type { Entry } from '../history.ts';

interface Stay {
  from: number;
  /** seq of the event that ended it; open while absent. */
  to?: number;
}

/** Who was a member at which place of a log, as the log itself tells. */
export class Membership {
  readonly #stays = new Map<string, Stay[]>();

  /** From the entries of a whole log, ascending. */
  constructor(entries: Iterable<Entry>) {
    for (const { event, seq, users = [] } of entries) {
      if (event === 'member.added') for (const user of users) this.#come(user, seq);
      else if (event === 'member.removed') for (const user of users) this.#go(user, seq);
    }
  }

  #come(user: string, seq: number): void {
    const stays = this.#stays.get(user) ?? [];
    this.#stays.set(user, stays);
    if (stays.length === 0 || stays.at(-1)?.to !== undefined) stays.push({ from: seq });
  }

  #go(user: string, seq: number): void {
    const last = this.#stays.get(user)?.at(-1);
    if (last !== undefined) last.to ??= seq;
  }

  /** The event that lets somebody in and the one that puts somebody out are part of the stay. */
  includes(user: string, seq: number): boolean {
    return this.#stays.get(user)?.some(({ from, to }) => from <= seq && seq <= (to ?? seq)) ?? false;
  }

  /** How often the user was let in before this place. */
  stays(user: string, before: number): number {
    return this.#stays.get(user)?.filter(({ from }) => from < before).length ?? 0;
  }

  /** Whether the user was in, from the beginning of the log to its end: each time it changed. */
  states(user: string): boolean[] {
    return [false, ...(this.#stays.get(user) ?? []).flatMap(({ to }) => (to === undefined ? [true] : [true, false]))];
  }

  /** Members at the end of the log. */
  get members(): string[] {
    return [...this.#stays].flatMap(([user, stays]) => (stays.at(-1)?.to === undefined ? [user] : []));
  }
}
