import { KEY_BUCKET_MS } from '../../engine/engine.ts';
import type { Command } from '../../shared/commands.ts';
import { CLOCK_SKEW_MS } from '../../shared/service/clock.ts';
import { Cast } from './cast.ts';
import { at, firstMismatch, Names } from './compare.ts';
import { Model } from './model.ts';
import type { Order, Step, World } from './operations.ts';
import type { Activation, Limits, Question, Request, Result, Subject } from './subject.ts';

/** Buckets of keys between the beginnings of two runs: no run reaches the next one, and the clock of an engine never goes back between them. */
const BUCKETS_APART = 100;
const FIRST_BUCKET = 20_000;

/** An engine did not do what the model does. The message has every step of the run, and the first difference. */
export class Difference extends Error {
  override name = 'Difference';
  /** A failure is shrunk by its message; a stack would only be noise. */
  override stack = '';
}

/** Counts of what the runs reached, by operation and answer. */
export type Reached = Map<string, number>;

/** Plays one world against the model and the engines. Throws `Difference`. */
export class Player {
  readonly #world: World;
  readonly #tag: string;
  readonly #model: Model;
  readonly #subjects: readonly Subject[];
  readonly #names: readonly Names[];
  readonly #issued = new Set<string>();
  readonly #activations: { conversationId: string; activation: Activation }[] = [];
  readonly #transcript: string[] = [];
  readonly #reached: Reached;
  readonly #cast: Cast;
  #now: number;
  #newest: number;

  /** @param run names everything of this run, so that runs can share the engines. */
  constructor(options: { world: World; run: number; engines: readonly Subject[]; limits: Limits; reached: Reached }) {
    const { world, run, engines, limits, reached } = options;
    this.#world = world;
    this.#tag = `r${run}.`;
    this.#model = new Model(limits);
    this.#subjects = [this.#model, ...engines];
    this.#names = this.#subjects.map(() => new Names(this.#issued));
    this.#reached = reached;
    this.#cast = new Cast({ users: world.users, tag: this.#tag, state: this.#model.state });
    this.#now = (FIRST_BUCKET + run * BUCKETS_APART) * KEY_BUCKET_MS + world.startsAtMs;
    this.#newest = this.#now;
  }

  async play(): Promise<void> {
    await Promise.all(this.#subjects.map((subject) => subject.begin(this.#cast.rooms)));
    for (const step of this.#world.steps) await this.#step(step);
    this.#note('look at everything');
    await this.#look();
  }

  async #step(step: Step): Promise<void> {
    for (const subject of this.#subjects) subject.setClock(this.#now);
    switch (step.do) {
      case 'commands':
        return this.#run(step.orders);
      case 'clock':
        return this.#moveClock(this.#now + step.byMs);
      case 'confirm':
        return this.#confirm(step);
      case 'ask':
        return this.#ask(step);
      case 'look':
        this.#note('look at everything');
        return this.#look();
      case 'reopen':
        this.#note('close and open again');
        await Promise.all(this.#subjects.map((subject) => subject.reopen()));
        return this.#look();
    }
  }

  /** The clock may be set back, but however often, no further than clocks may differ. */
  #moveClock(to: number): void {
    const now = Math.max(to, this.#newest - CLOCK_SKEW_MS);
    this.#note(`the clock moves by ${(now - this.#now) / 1000} s, to ${new Date(now).toISOString().slice(11, 23)}`);
    this.#now = now;
    this.#newest = Math.max(this.#newest, now);
  }

  async #run(orders: readonly Order[]): Promise<void> {
    const requests: Request[] = [];
    for (const order of orders) {
      const at = this.#now + order.skewMs;
      for (const command of this.#cast.commandsOf(order, at)) {
        const eventId = `event ${this.#issued.size}`;
        this.#issued.add(eventId);
        requests.push({ command, eventId, at });
      }
    }
    const lines = requests.map(({ command, at }) => this.#describe(command, at));
    this.#note(lines.length === 1 ? String(lines[0]) : `in one batch:\n${lines.map((line) => `     ${line}`).join('\n')}`);
    // Each subject gets copies: nobody may see what another one does to a command.
    const results = await this.#same('the results', (subject) => subject.run(structuredClone(requests)));
    for (const [i, result] of (results as Result[]).entries()) this.#count(requests[i] as Request, result);
    for (const room of new Set(requests.map(({ command }) => command.conversationId))) {
      await this.#same(`what was published in ${room}`, (subject) => subject.heard(room));
      await this.#same(`what the feed says of ${room}`, (subject) => subject.fed(room));
    }
  }

  #count({ command }: Request, result: Result): void {
    const what = !result.ok ? result.code : result.duplicate ? 'duplicate' : result.seq === undefined ? 'ok, nothing appended' : 'ok';
    const name = `${command.op}: ${what}`;
    this.#reached.set(name, (this.#reached.get(name) ?? 0) + 1);
    if (result.ok && result.activation !== undefined) {
      this.#activations.push({ conversationId: command.conversationId, activation: result.activation });
    }
  }

  async #confirm(step: Extract<Step, { do: 'confirm' }>): Promise<void> {
    const { conversationId, activation } = this.#activations.at(-1 - step.back) ?? {};
    if (conversationId === undefined || activation === undefined) return;
    const room = this.#model.state.rooms.get(conversationId);
    const userIds = { members: room?.members.map(({ userId }) => userId) ?? [], nobody: [], 'all users': this.#cast.users }[step.recordFor];
    const { until } = activation;
    const listedThrough = { 'as answered': activation.listedThrough, earlier: 1, later: this.#cast.log(conversationId).length }[
      step.listed
    ];
    const told = userIds.map((userId) => this.#short(userId)).join(', ') || 'nobody';
    const epoch = step.epoch === 'same' ? '' : ', with another epoch';
    this.#note(`tell ${told} of the activation from ${activation.from}, confirm it listed through ${listedThrough}${epoch}`);
    await Promise.all(this.#subjects.map((subject) => subject.recordActivation(conversationId, userIds, until)));
    await this.#same('the answer to the confirmation', (subject, names) => {
      const own = step.epoch === 'same' ? names.epochOf(activation.epoch) : 'another';
      return subject.confirmActivation(conversationId, { ...activation, epoch: own, listedThrough });
    });
  }

  async #ask({ room, user, after, limit, messagesOnly, cursor, sinceMs }: Extract<Step, { do: 'ask' }>): Promise<void> {
    const conversationId = this.#cast.room(room);
    const userId = this.#cast.user(user);
    const now = this.#now;
    const seq = Math.min(after, this.#cast.log(conversationId).length + 1);
    const updatedAt = this.#model.state.rooms.get(conversationId)?.updatedAt ?? now;
    this.#note(
      `${this.#short(userId)} asks in ${this.#short(conversationId)} from seq ${seq} on, ${limit} at most${messagesOnly ? ', messages only' : ''}, ` +
        `epoch: ${cursor}, since: ${sinceMs / 1000} s after its last event`,
    );
    await this.#answers((names) => {
      const actual = names.epochOf(this.#epochName(conversationId));
      const epoch = cursor === 'none' ? {} : { epoch: cursor === 'same' ? actual : 'another' };
      const given = { seq, ...epoch };
      const page = { conversationId, limit, ...(messagesOnly ? { messagesOnly } : {}) };
      return [
        { ask: 'log', conversationId, after: seq, limit, ...epoch },
        { ask: 'history', userId, ...page, before: seq + 1 },
        { ask: 'history', userId, ...page, after: seq },
        { ask: 'sync', userId, cursors: { [conversationId]: given }, limit, now, since: updatedAt + sinceMs },
        { ask: 'sync', userId, cursors: {}, limit, now, since: updatedAt + sinceMs },
        { ask: 'joins', joins: [{ conversationId, after: seq, epoch: epoch.epoch ?? actual, userIds: this.#cast.users }], now },
        { ask: 'members', conversationId, limit, after: userId },
        { ask: 'conversations', userId, limit: 1 },
        { ask: 'conversations', userId, limit: 1, after: conversationId },
      ];
    });
  }

  /** Everything that can be read. */
  async #look(): Promise<void> {
    const rooms = this.#cast.rooms;
    const now = this.#now;
    const ofRooms = rooms.flatMap((conversationId): Question[] => [
      { ask: 'log', conversationId, after: 0, limit: 1000 },
      { ask: 'members', conversationId, limit: 100 },
      { ask: 'reads', conversationId },
    ]);
    const ofUsers = this.#cast.users.flatMap((userId): Question[] => [
      { ask: 'conversations', userId, limit: 10 },
      { ask: 'active', userId, now },
      { ask: 'sync', userId, cursors: {}, limit: 10, now },
      { ask: 'acquainted', userId, otherIds: this.#cast.users },
      ...rooms.map((conversationId): Question => ({ ask: 'conversation', userId, conversationId })),
      ...rooms.map((conversationId): Question => ({ ask: 'history', userId, conversationId, limit: 100, messagesOnly: true })),
    ]);
    await this.#answers(() => [{ ask: 'heads', conversationIds: rooms }, ...ofRooms, ...ofUsers]);
  }

  async #answers(questions: (names: Names) => Question[]): Promise<void> {
    const own = this.#names.map(questions);
    const all = await Promise.all(this.#subjects.map((subject, i) => Promise.all((own[i] ?? []).map((question) => subject.ask(question)))));
    for (const [n, question] of (own[0] ?? []).entries()) {
      this.#compare(
        `the answer to ${this.#short(JSON.stringify(question))}`,
        all.map((answers) => answers[n]),
      );
    }
  }

  /** Does the same with each subject and compares what they say. Answers what the model says. */
  async #same(what: string, action: (subject: Subject, names: Names) => Promise<unknown>): Promise<unknown> {
    const values = await Promise.all(this.#subjects.map((subject, i) => action(subject, this.#names[i] as Names)));
    return this.#compare(what, values);
  }

  #compare(what: string, values: readonly unknown[]): unknown {
    const plain = values.map((value, i) => (this.#names[i] as Names).plain(value));
    for (const value of plain.slice(1)) {
      const mismatch = firstMismatch(plain[0], value);
      if (mismatch === undefined) continue;
      const says = plain.map((one, i) => `   ${this.#subjects[i]?.name}: ${this.#show(at(one, mismatch.path))}`);
      const place = mismatch.path.length === 0 ? '' : `, at ${mismatch.path.join('.')}`;
      const steps = this.#transcript.map((line, i) => `${String(i + 1).padStart(3)}. ${line}`);
      const about = `groups of ${this.#world.limits === 'small' ? 'a few' : 'a crowd'} at most`;
      throw new Difference(`${about}\n${steps.join('\n')}\nThe first difference is in ${this.#short(what)}${place}:\n${says.join('\n')}`);
    }
    return plain[0];
  }

  #show(value: unknown): string {
    return value === undefined ? 'nothing' : this.#short(JSON.stringify(value));
  }

  #note(line: string): void {
    this.#transcript.push(this.#short(line));
  }

  /** One command in words. */
  #describe({ op, actorId, conversationId, ...rest }: Command, at: number): string {
    const late = at === this.#now ? '' : `, by a clock that is ${(this.#now - at) / 1000} s behind`;
    return `${actorId}: ${op} in ${conversationId} ${JSON.stringify(rest)}${late}`;
  }

  #short(text: string): string {
    return text.replaceAll(this.#tag, '');
  }

  #epochName(conversationId: string): string {
    const room = this.#model.state.rooms.get(conversationId);
    return room === undefined ? 'none' : ((this.#names[0] as Names).plain({ epoch: room.epoch }) as { epoch: string }).epoch;
  }
}
