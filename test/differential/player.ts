import type { Command } from '../../shared/commands.ts';
import { at, firstMismatch, Names } from './compare.ts';
import { type Member, Model, type Room } from './model.ts';
import { type Order, ROOMS, type Someone, type Step, type Target, type World } from './operations.ts';
import type { Activation, Limits, Question, Request, Result, Subject } from './subject.ts';

const DAY_MS = 24 * 60 * 60_000;
const CLOCK_SKEW_MS = 2 * 60_000;
/** Days between the beginnings of two runs: no run reaches the next one, and the clock of an engine never goes back between them. */
const DAYS_APART = 100;
const FIRST_DAY = 20_000;
const USERS = ['ana', 'bob', 'cid', 'dan', 'eve'];

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
  readonly #commands: Command[] = [];
  readonly #activations: { conversationId: string; activation: Activation }[] = [];
  readonly #transcript: string[] = [];
  readonly #reached: Reached;
  readonly #users: string[];
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
    this.#users = USERS.slice(0, world.users).map((name) => this.#tag + name);
    this.#now = (FIRST_DAY + run * DAYS_APART) * DAY_MS + world.startsAtMs;
    this.#newest = this.#now;
  }

  async play(): Promise<void> {
    await Promise.all(this.#subjects.map((subject) => subject.begin(ROOMS.map((_, i) => this.#room(i)))));
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
      case 'midnight':
        return this.#moveClock(Math.ceil(this.#now / DAY_MS) * DAY_MS + step.byMs);
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
      for (const command of this.#commandsOf(order)) {
        const eventId = `event ${this.#issued.size}`;
        this.#issued.add(eventId);
        requests.push({ command, eventId, at: this.#now + order.skewMs });
        this.#commands.push(command);
      }
    }
    const lines = requests.map(({ command, at }) => this.#describe(command, at));
    this.#note(lines.length === 1 ? String(lines[0]) : `in one batch:\n${lines.map((line) => `     ${line}`).join('\n')}`);
    // Each subject gets copies: nobody may see what another one does to a command.
    const results = await this.#same('the results', (subject) => subject.run(structuredClone(requests)));
    for (const [i, result] of (results as Result[]).entries()) this.#count(requests[i] as Request, result);
    for (const room of new Set(requests.map(({ command }) => command.conversationId))) {
      await this.#same(`what was published in ${room}`, (subject) => subject.heard(room));
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

  /** The commands of an order; several for a crowd. Seqs and owners are those of the model. */
  #commandsOf({ actor, room, draft }: Order): Command[] {
    const conversationId = this.#room(room);
    const actorId = this.#someone(actor, conversationId);
    const base = { conversationId, actorId };
    const member = ({ user, role }: { user: number; role: Member['role'] }) => ({ userId: this.#user(user), role });
    switch (draft.op) {
      case 'message.send': {
        const { op, key, text, replyTo, metadata } = draft;
        const reply = replyTo === undefined ? {} : { replyTo: this.#target(replyTo, conversationId) };
        return [{ ...base, op, clientMessageId: `key-${key}`, text, ...reply, ...(metadata === undefined ? {} : { metadata }) }];
      }
      case 'message.edit': {
        const seq = this.#target(draft.target, conversationId);
        const { text: before = 'hi', metadata: had = {} } = this.#log(conversationId)[seq - 1]?.data ?? {};
        const text = draft.text === 'same' ? String(before) : draft.text;
        const { metadata } = draft;
        if (metadata === 'left out') return [{ ...base, op: draft.op, seq, text }];
        const chosen = metadata === 'same' ? had : metadata === 'reordered' ? reordered(had) : metadata;
        return [{ ...base, op: draft.op, seq, text, metadata: chosen as Record<string, unknown> }];
      }
      case 'message.delete':
      case 'receipt.read':
      case 'receipt.delivered':
        return [{ ...base, op: draft.op, seq: this.#target(draft.target, conversationId) }];
      case 'reaction.add':
      case 'reaction.remove': {
        const seq = this.#target(draft.target, conversationId);
        const reactions = [...(this.#log(conversationId)[seq - 1]?.reactions ?? [])];
        const [own] = reactions.find(([, userIds]) => userIds.includes(actorId)) ?? ['👍'];
        return [{ ...base, op: draft.op, seq, emoji: draft.emoji === 'own' ? own : draft.emoji }];
      }
      case 'typing':
      case 'conversation.update':
        return [{ ...base, ...draft }];
      case 'conversation.create': {
        const { op, title } = draft;
        if (room === ROOMS.indexOf('d-2')) {
          const members = [0, 1].map((user) => member({ user, role: 'member' }));
          return [{ conversationId, op, actorId: actorId === this.#user(1) ? actorId : this.#user(0), kind: 'direct', members }];
        }
        if (room === ROOMS.indexOf('g-nowhere')) return [{ ...base, op: 'typing', active: true }];
        const named = draft.members.map(member);
        const members = named.some(({ userId }) => userId === actorId) ? named : [{ userId: actorId, role: 'owner' as const }, ...named];
        return [{ ...base, op, kind: 'group', ...(title === undefined ? {} : { title }), members }];
      }
      case 'member.add':
        return [{ ...base, op: draft.op, members: draft.members.map(member) }];
      case 'member.remove':
        return [{ ...base, op: draft.op, userId: draft.user === 'self' ? actorId : this.#someone(draft.user, conversationId) }];
      case 'member.role':
        return [{ ...base, op: draft.op, userId: this.#someone(draft.user, conversationId), role: draft.role }];
      case 'repeat':
        return this.#commands.slice(-1 - draft.back).slice(0, 1);
      case 'crowd': {
        const crowd = Array.from({ length: draft.count }, (_, i) => `${this.#tag}of-the-crowd-${draft.from + i}`);
        const seq = this.#target(draft.target, conversationId);
        const adding = draft.does === 'join and react';
        const op = adding ? 'reaction.add' : 'reaction.remove';
        const reactions = crowd.map((userId): Command => ({ conversationId, actorId: userId, op, seq, emoji: '👍' }));
        if (!adding) return reactions;
        const members = crowd.map((userId) => ({ userId, role: 'member' as const }));
        return [{ conversationId, actorId: this.#someone('owner', conversationId), op: 'member.add', members }, ...reactions];
      }
      case 'flood': {
        const seq = this.#target(draft.target, conversationId);
        return Array.from({ length: draft.count }, (_, i): Command => ({ ...base, op: 'reaction.add', seq, emoji: `emoji ${i}` }));
      }
    }
  }

  async #confirm(step: Extract<Step, { do: 'confirm' }>): Promise<void> {
    const { conversationId, activation } = this.#activations.at(-1 - step.back) ?? {};
    if (conversationId === undefined || activation === undefined) return;
    const room = this.#model.state.rooms.get(conversationId);
    const userIds = { members: room?.members.map(({ userId }) => userId) ?? [], nobody: [], 'all users': this.#users }[step.recordFor];
    const { until } = activation;
    const listedThrough = { 'as answered': activation.listedThrough, earlier: 1, later: this.#log(conversationId).length }[step.listed];
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
    const conversationId = this.#room(room);
    const userId = this.#user(user);
    const now = this.#now;
    const seq = Math.min(after, this.#log(conversationId).length + 1);
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
        { ask: 'joins', joins: [{ conversationId, after: seq, epoch: epoch.epoch ?? actual, userIds: this.#users }], now },
        { ask: 'members', conversationId, limit, after: userId },
        { ask: 'conversations', userId, limit: 1 },
        { ask: 'conversations', userId, limit: 1, after: conversationId },
      ];
    });
  }

  /** Everything that can be read. */
  async #look(): Promise<void> {
    const rooms = ROOMS.map((_, i) => this.#room(i));
    const now = this.#now;
    const ofRooms = rooms.flatMap((conversationId): Question[] => [
      { ask: 'log', conversationId, after: 0, limit: 1000 },
      { ask: 'members', conversationId, limit: 100 },
      { ask: 'reads', conversationId },
    ]);
    const ofUsers = this.#users.flatMap((userId): Question[] => [
      { ask: 'conversations', userId, limit: 10 },
      { ask: 'active', userId, now },
      { ask: 'sync', userId, cursors: {}, limit: 10, now },
      { ask: 'acquainted', userId, otherIds: this.#users },
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

  #room(room: number): string {
    const [kind, name] = (ROOMS[room % ROOMS.length] as string).split('-');
    return `${kind}-${this.#tag}${name}`;
  }

  #user(user: number): string {
    return this.#users[user % this.#users.length] as string;
  }

  #someone(who: Someone, conversationId: string): string {
    if (who !== 'owner' && 'user' in who) return this.#user(who.user);
    const members = this.#model.state.rooms.get(conversationId)?.members ?? [];
    const member = who === 'owner' ? members.find(({ role }) => role === 'owner') : members[who.member % members.length];
    return member?.userId ?? this.#user(0);
  }

  #target(target: Target, conversationId: string): number {
    if ('seq' in target) return target.seq;
    const messages = this.#log(conversationId).filter(({ event }) => event === 'message.created');
    return messages.at(-1 - target.back)?.seq ?? 1;
  }

  #log(conversationId: string): Room['log'] {
    return this.#model.state.rooms.get(conversationId)?.log ?? [];
  }

  #epochName(conversationId: string): string {
    const room = this.#model.state.rooms.get(conversationId);
    return room === undefined ? 'none' : ((this.#names[0] as Names).plain({ epoch: room.epoch }) as { epoch: string }).epoch;
  }
}

/** The same JSON with the names of every object in the opposite order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, part]) => [name, reordered(part)]),
  );
}
