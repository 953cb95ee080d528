import type { Demo } from '../../bin/demo.ts';
import { partner } from '../helpers/system-process.ts';
import type { HistoryWriter } from './history.ts';
import { codeOf, isFinal, patiently } from './patient-partner.ts';
import { pick } from './random.ts';

/** A group whose members come and go; its owner stays. */
export interface ChurningGroup {
  conversation: string;
  owner: string;
  /** As far as the owner knows; the owner among them. */
  members: string[];
  /** Those who were put out, in order. */
  former: string[];
}

export interface ChurnOptions {
  demo: Demo;
  history: HistoryWriter;
  random: () => number;
  groups: readonly ChurningGroup[];
  users: readonly string[];
}

/** Owners put members out, let them in again, and let in others: one change at a time in a group, asked for until it is answered. */
export class MemberChurn {
  readonly #options: ChurnOptions;
  readonly #underWay = new Map<ChurningGroup, Promise<void>>();
  #changes = 0;

  constructor(options: ChurnOptions) {
    this.#options = options;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** Begins one change, in a group where none is under way. */
  change(): void {
    const { random, groups, users } = this.#options;
    const idle = groups.filter((group) => !this.#underWay.has(group));
    if (idle.length === 0) return;
    const group = pick(random, idle);
    const others = group.members.filter((user) => user !== group.owner);
    const outside = users.filter((user) => !group.members.includes(user));
    const out = outside.length === 0 || (others.length > 1 && random() < 0.5);
    // Mostly the same people: what is hard is coming back.
    const user = out ? pick(random, others) : random() < 0.7 ? (group.former[0] ?? pick(random, outside)) : pick(random, outside);
    const done = (out ? this.#putOut(group, user) : this.#letIn(group, user))
      // What was asked for long enough without an answer is left: the log will show what came of it.
      .catch(() => {})
      .finally(() => this.#underWay.delete(group));
    this.#underWay.set(group, done);
  }

  /** A member of each of so many groups where no change is under way, the owners aside. */
  someMembers(count: number): { group: ChurningGroup; user: string }[] {
    const idle = this.#options.groups.filter((group) => !this.#underWay.has(group));
    return idle.slice(0, count).flatMap((group) => {
      const user = group.members.find((member) => member !== group.owner);
      return user === undefined ? [] : [{ group, user }];
    });
  }

  /** Puts a member out now; resolves when that is answered, or was not for long. */
  remove(group: ChurningGroup, user: string): Promise<void> {
    const done = this.#putOut(group, user)
      .catch(() => {})
      .finally(() => this.#underWay.delete(group));
    this.#underWay.set(group, done);
    return done;
  }

  async #putOut(group: ChurningGroup, user: string): Promise<void> {
    // Whatever comes of it, nobody should count on the user any more.
    group.members.splice(group.members.indexOf(user), 1);
    group.former.push(user);
    await this.#ask(group, 'member.removed', user, (call) =>
      call('DELETE', `/conversations/${group.conversation}/members/${user}`, undefined, group.owner),
    );
  }

  async #letIn(group: ChurningGroup, user: string): Promise<void> {
    await this.#ask(group, 'member.added', user, (call) =>
      call('POST', `/conversations/${group.conversation}/members`, { members: [{ userId: user }] }, group.owner),
    );
    group.members.push(user);
    group.former = group.former.filter((one) => one !== user);
  }

  #ask(
    { conversation, owner }: ChurningGroup,
    event: string,
    user: string,
    request: (call: ReturnType<typeof partner>['call']) => Promise<void>,
  ): Promise<void> {
    const { demo, history } = this.#options;
    const { call } = partner(demo);
    return patiently(async () => {
      const change = `${conversation}~${++this.#changes}`;
      history.write({ kind: 'change', change, conversation, event, actor: owner, users: [user] });
      try {
        await request(call);
        history.write({ kind: 'changed', change });
      } catch (error) {
        history.write({ kind: 'unchanged', change, code: codeOf(error), forGood: isFinal(error) });
        throw error;
      }
    });
  }
}
