import { EventEmitter } from 'node:events';
import type { Command, Redis } from 'ioredis';
import type { VirtualTime } from './virtual-time.ts';

/** What was carried out, in order: the ids of calls by slot and kind of connection. */
export type Executed = { slot: number; id: number }[];

/** Which of the keys of a slot are where, and who leads it. */
export interface Slot {
  leader: ModelNode;
  /** The server that the slot moves to. */
  target: ModelNode | undefined;
  /** Keys that are at the target already. */
  moved: Set<string>;
}

/** The truth about a small cluster. */
export interface World {
  time: VirtualTime;
  slots: Map<number, Slot>;
  executed: Executed;
  functionsLost: Set<ModelNode>;
  waitTimeoutMs: number;
}

class ReplyError extends Error {
  override readonly name = 'ReplyError';
}
const refusal = (text: string) => new ReplyError(text);

interface Received {
  command: Command;
  connection: ModelConnection;
  session: Session;
  /** The connection was lost after the server had received this: it is carried out, and nobody hears of it. */
  unheard: boolean;
}

/** A Redis server: takes commands in the order of each connection, and answers as a cluster does. */
export class ModelNode {
  readonly address: string;
  readonly world: World;
  latencyMs = 1;
  /** Time between two commands of one buffer: other things may happen in between. */
  stepMs = 0;
  isFrozen = false;
  isLoading = false;
  isFull = false;
  isCut = false;
  hasReplica = true;
  #inbox: Received[] = [];
  #working = false;

  constructor(world: World, address: string) {
    this.world = world;
    this.address = address;
  }

  receive(commands: readonly Command[], connection: ModelConnection): void {
    const { session } = connection;
    this.world.time.after(this.latencyMs, () => {
      for (const command of commands) this.#inbox.push({ command, connection, session, unheard: connection.isDead(command) });
      this.work();
    });
  }

  /** What a lost connection had sent is either dropped on the way, or carried out later without anyone hearing of it. */
  lose(connection: ModelConnection, dropped: boolean): void {
    if (dropped) this.#inbox = this.#inbox.filter((received) => received.connection !== connection);
    for (const received of this.#inbox) if (received.connection === connection) received.unheard = true;
  }

  work(): void {
    if (this.#working || this.isFrozen) return;
    const received = this.#inbox.shift();
    if (received === undefined) return;
    const { command, connection, session } = received;
    const reply = session.handle(command.name.toUpperCase(), command.args as (string | number)[]);
    const waitMs = reply === 0 ? this.world.waitTimeoutMs : this.latencyMs;
    if (!received.unheard) this.world.time.after(waitMs, () => connection.answer(command, reply));
    this.#working = true;
    this.world.time.after(this.stepMs, () => {
      this.#working = false;
      this.work();
    });
  }
}

/** What a server knows of one connection: ASKING and the transaction that is open. */
class Session {
  readonly #node: ModelNode;
  #asking = false;
  #queued: { keys: string[]; args: (string | number)[] }[] | undefined;
  #aborted = false;

  constructor(node: ModelNode) {
    this.#node = node;
  }

  handle(name: string, args: (string | number)[]): unknown {
    const asking = this.#asking;
    if (this.#queued === undefined) this.#asking = false;
    switch (name) {
      case 'ASKING':
        this.#asking = true;
        return 'OK';
      case 'MULTI':
        this.#asking = asking;
        this.#queued = [];
        this.#aborted = false;
        return 'OK';
      case 'PING':
        return 'PONG';
      case 'WAIT':
        return this.#node.hasReplica ? 1 : 0;
      case 'EXEC':
        return this.#exec();
      default:
        return this.#call(args, asking);
    }
  }

  #call(args: (string | number)[], asking: boolean): unknown {
    const keys = args.slice(2, 2 + Number(args[1])).map(String);
    const error = this.#refuses(keys, asking);
    if (this.#queued !== undefined) {
      if (error !== undefined) this.#aborted = true;
      else this.#queued.push({ keys, args });
      return error ?? 'QUEUED';
    }
    return error ?? this.#run(args);
  }

  #exec(): unknown {
    const [queued, asking] = [this.#queued ?? [], this.#asking];
    this.#queued = undefined;
    this.#asking = false;
    if (this.#aborted) return refusal('EXECABORT Transaction discarded because of previous errors.');
    const error = this.#refuses([...new Set(queued.flatMap(({ keys }) => keys))], asking);
    return error ?? queued.map(({ args }) => this.#run(args));
  }

  #refuses(keys: readonly string[], asking: boolean): ReplyError | undefined {
    const { world } = this.#node;
    if (this.#node.isLoading) return refusal('LOADING Redis is loading the dataset in memory');
    const number = Number((keys[0] as string).split(':')[0]);
    const slot = world.slots.get(number) as Slot;
    const missing = keys.filter((key) => slot.moved.has(key)).length;
    if (slot.leader === this.#node) {
      if (slot.target !== undefined && missing > 0)
        return missing < keys.length ? refusal('TRYAGAIN keys are split') : refusal(`ASK ${number} ${slot.target.address}`);
    } else if (slot.target === this.#node && asking) {
      if (missing < keys.length && keys.length > 1) return refusal('TRYAGAIN keys are split');
    } else {
      return slot.leader.isCut ? refusal('CLUSTERDOWN Hash slot not served') : refusal(`MOVED ${number} ${slot.leader.address}`);
    }
    return this.#node.isFull ? refusal('OOM command not allowed') : undefined;
  }

  #run(args: (string | number)[]): unknown {
    const { world } = this.#node;
    if (world.functionsLost.has(this.#node)) return refusal('ERR Function not found');
    const id = Number(args.at(-1));
    world.executed.push({ slot: Number(String(args[2]).split(':')[0]), id });
    return id;
  }
}

/** A connection to a server, with the part of an ioredis client that PipelinedConnection uses. */
export class ModelConnection extends EventEmitter {
  readonly #node: ModelNode;
  status = 'ready';
  session: Session;
  #unsent: Command[] = [];
  #waiting = new Set<Command>();
  readonly #dead = new WeakSet<Command>();
  readonly stream = { writable: true, write: () => this.#write() };

  constructor(node: ModelNode) {
    super();
    this.setMaxListeners(0);
    this.#node = node;
    this.session = new Session(node);
  }

  get client(): Redis {
    return this as unknown as Redis;
  }

  sendCommand(command: Command): void {
    this.#unsent.push(command);
    this.#waiting.add(command);
  }

  #write(): void {
    this.#node.receive(this.#unsent, this);
    this.#unsent = [];
  }

  isDead(command: Command): boolean {
    return this.#dead.has(command);
  }

  answer(command: Command, reply: unknown): void {
    if (!this.#waiting.delete(command)) return;
    if (reply instanceof Error) command.reject(reply);
    else command.resolve(reply as never);
  }

  /** The functions are loaded. */
  async call(): Promise<void> {
    this.#node.world.functionsLost.delete(this.#node);
  }

  lose(dropped: boolean): void {
    if (this.status !== 'ready') return;
    this.status = 'reconnecting';
    this.#node.lose(this, dropped);
    const lost = [...this.#waiting];
    this.#waiting.clear();
    for (const command of lost) {
      this.#dead.add(command);
      command.reject(new Error('Connection is closed.'));
    }
  }

  regain(): void {
    if (this.status === 'ready') return;
    this.status = 'ready';
    this.session = new Session(this.#node);
    this.emit('ready');
  }
}
