import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Caller } from '../../engine/redis/caller.ts';
import { type Call, PipelinedConnection } from '../../engine/redis/pipelined-connection.ts';
import type { Shard, Shards } from '../../engine/redis/shards.ts';
import { ModelConnection, ModelNode, type Slot, type World } from './redis-nodes.ts';
import { VirtualTime } from './virtual-time.ts';

export const name = 'calls to Redis';

const SLOTS = [1, 2];
const KEYS = ['a', 'b', 'c'];
const NODES = 3;
const DEADLINE_MS = 3000;
const WAIT_MS = 200;
const RECONNECT_MS = 30;

type Step =
  | { do: 'call'; slot: number; durable: boolean; calls: { keys: string[]; repeatable: boolean }[] }
  | { do: 'advance'; ms: number }
  | { do: 'migrate'; slot: number; to: number }
  | { do: 'moveKey'; slot: number; key: string }
  | { do: 'endMigration'; slot: number }
  | { do: 'failover'; slot: number; to: number }
  | { do: 'set'; node: number; what: 'isFrozen' | 'isLoading' | 'isFull' | 'isCut'; on: boolean }
  | { do: 'setReplica'; node: number; on: boolean }
  | { do: 'pace'; node: number; latencyMs: number; stepMs: number }
  | { do: 'loseConnection'; node: number; durable: boolean; dropped: boolean }
  | { do: 'loseFunctions'; node: number };

const slot = fc.constantFrom(...SLOTS);
const node = fc.nat({ max: NODES - 1 });
const keys = fc.subarray(KEYS, { minLength: 1 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('call' as const),
      slot,
      durable: fc.boolean(),
      calls: fc.array(fc.record({ keys, repeatable: fc.boolean() }), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(0, 1, 2, 5, 30, 300, 1500) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('migrate' as const), slot, to: node }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('moveKey' as const), slot, key: fc.constantFrom(...KEYS) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('endMigration' as const), slot }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('failover' as const), slot, to: node }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      node,
      what: fc.constantFrom('isFrozen' as const, 'isLoading' as const, 'isFull' as const, 'isCut' as const),
      on: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('setReplica' as const), node, on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('pace' as const),
      node,
      latencyMs: fc.constantFrom(1, 20, 700),
      stepMs: fc.constantFrom(0, 1, 3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('loseConnection' as const), node, durable: fc.boolean(), dropped: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('loseFunctions' as const), node }) },
);

interface Given {
  id: number;
  call: Call;
  /** Undefined until it is settled. */
  outcome: unknown;
  settledAt: number | undefined;
  givenAt: number;
}

interface Links {
  reads: ModelConnection;
  writes: ModelConnection;
}

/** The real caller and its real connections, before servers that are a model. */
class Run {
  readonly time = new VirtualTime();
  readonly world: World = {
    time: this.time,
    slots: new Map(),
    executed: [],
    functionsLost: new Set(),
    waitTimeoutMs: WAIT_MS,
  };
  readonly nodes = Array.from({ length: NODES }, (_, i) => new ModelNode(this.world, `node:${i}`));
  readonly links = new Map<ModelNode, Links>();
  readonly caller: Caller;
  readonly given: Given[] = [];

  constructor() {
    const shards = new Map<ModelNode, Shard>();
    const known = new Map<number, ModelNode>();
    for (const node of this.nodes) {
      const links = { reads: new ModelConnection(node), writes: new ModelConnection(node) };
      this.links.set(node, links);
      shards.set(node, {
        address: node.address,
        client: links.reads.client,
        reads: new PipelinedConnection(links.reads.client, undefined, this.time),
        writes: new PipelinedConnection(links.writes.client, { minAcks: 1, timeoutMs: WAIT_MS }, this.time),
      });
    }
    for (const [i, number] of SLOTS.entries()) {
      const leader = this.nodes[i] as ModelNode;
      this.world.slots.set(number, { leader, target: undefined, moved: new Set() });
      known.set(number, leader);
    }
    const model: Shards = {
      cluster: true,
      ofSlot: (number) => shards.get(known.get(number) as ModelNode),
      at: (address) => shards.get(this.nodes.find((node) => node.address === address) as ModelNode),
      all: () => [...shards.values()],
      refresh: () =>
        new Promise((resolve) => {
          this.time.after(5, () => {
            for (const [number, { leader }] of this.world.slots) known.set(number, leader);
            resolve();
          });
        }),
      onChange: () => () => undefined,
      close: () => undefined,
    };
    const library = { name: 'lib', code: '', fn: (short: string) => short };
    this.caller = new Caller({ shards: model, library, log: undefined, deadlineMs: DEADLINE_MS, timing: this.time });
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'advance':
        return this.time.advance(step.ms);
      case 'call':
        return this.#give(step);
      case 'migrate': {
        const slot = this.#slot(step.slot);
        const target = this.nodes[step.to] as ModelNode;
        if (slot.target === undefined && target !== slot.leader) slot.target = target;
        return;
      }
      case 'moveKey': {
        const slot = this.#slot(step.slot);
        if (slot.target !== undefined) slot.moved.add(`${step.slot}:${step.key}`);
        return;
      }
      case 'endMigration':
        return this.#endMigration(this.#slot(step.slot));
      case 'failover': {
        const slot = this.#slot(step.slot);
        if (slot.target === undefined) slot.leader = this.nodes[step.to] as ModelNode;
        return;
      }
      case 'set': {
        const node = this.nodes[step.node] as ModelNode;
        node[step.what] = step.on;
        node.work();
        return;
      }
      case 'setReplica':
        (this.nodes[step.node] as ModelNode).hasReplica = step.on;
        return;
      case 'pace':
        Object.assign(this.nodes[step.node] as ModelNode, { latencyMs: step.latencyMs, stepMs: step.stepMs });
        return;
      case 'loseConnection': {
        const link = this.#link(step);
        link.lose(step.dropped);
        this.time.after(RECONNECT_MS, () => link.regain());
        return;
      }
      case 'loseFunctions':
        this.world.functionsLost.add(this.nodes[step.node] as ModelNode);
        return;
    }
  }

  #slot(number: number): Slot {
    return this.world.slots.get(number) as Slot;
  }

  #link(step: { node: number; durable: boolean }): ModelConnection {
    const links = this.links.get(this.nodes[step.node] as ModelNode) as Links;
    return step.durable ? links.writes : links.reads;
  }

  #endMigration(slot: Slot): void {
    if (slot.target === undefined) return;
    slot.leader = slot.target;
    slot.target = undefined;
    slot.moved.clear();
  }

  #give({ slot, durable, calls: wanted }: Extract<Step, { do: 'call' }>): void {
    const calls: Call[] = [];
    const first = this.given.length;
    for (const [i, { keys, repeatable }] of wanted.entries()) {
      const args = ['fn', keys.length, ...keys.map((key) => `${slot}:${key}`), first + i];
      calls.push({ slot, name: 'FCALL', args, repeatable, durable });
    }
    const entries: Given[] = [];
    for (const i of calls.keys()) {
      const entry: Given = {
        ...{ id: first + i, call: calls[i] as Call, outcome: undefined, settledAt: undefined, givenAt: this.time.now() },
      };
      this.given.push(entry);
      entries.push(entry);
    }
    this.caller.start(calls, (place, outcome) => {
      const entry = entries[place] as Given;
      assert.equal(entry.settledAt, undefined, `call ${entry.id} is settled once`);
      entry.outcome = outcome;
      entry.settledAt = this.time.now();
    });
  }

  /** All is well again, and the time of every call is over. */
  async end(): Promise<void> {
    await this.time.advance(DEADLINE_MS);
    for (const slot of this.world.slots.values()) this.#endMigration(slot);
    for (const node of this.nodes) {
      Object.assign(node, { isFrozen: false, isLoading: false, isFull: false, isCut: false, hasReplica: true, latencyMs: 1, stepMs: 0 });
      node.work();
    }
    await this.time.advance(DEADLINE_MS);
    const calls = [{ keys: KEYS, repeatable: false }];
    for (const slot of SLOTS) for (const durable of [true, false]) this.#give({ do: 'call', slot, durable, calls });
    await this.time.advance(DEADLINE_MS);
  }

  check(): void {
    const times = new Map<number, number>();
    const order = new Map<number, number>();
    for (const [place, { id }] of this.world.executed.entries()) {
      times.set(id, (times.get(id) ?? 0) + 1);
      if (!order.has(id)) order.set(id, place);
    }
    for (const { id, call, outcome, givenAt, settledAt } of this.given) {
      assert.ok(settledAt !== undefined && settledAt <= givenAt + DEADLINE_MS, `call ${id} is settled in time`);
      if (!call.repeatable) assert.ok((times.get(id) ?? 0) <= 1, `call ${id} is carried out once at most`);
      if (!(outcome instanceof Error)) assert.equal(outcome, id, `call ${id} has its own reply`);
    }
    for (const slot of SLOTS) {
      for (const durable of [true, false]) {
        const answered = this.given.filter(
          ({ call, outcome }) => call.slot === slot && call.durable === durable && !(outcome instanceof Error),
        );
        const places = answered.map(({ id }) => order.get(id) as number);
        assert.deepEqual(
          places,
          places.toSorted((a, b) => a - b),
          `slot ${slot}: calls ${answered.map(({ id }) => id).join(' ')} are carried out in this order`,
        );
      }
    }
    for (const { id, outcome } of this.given.slice(-2 * SLOTS.length)) {
      assert.ok(!(outcome instanceof Error), `call ${id}, after everything is well again, is carried out`);
    }
  }
}

/**
 * Whatever happens to the servers and the connections: calls of one slot are carried out in their order, none twice that may not be, each is
 * settled within its deadline, and all goes on when the trouble is over.
 */
export function property(): fc.IAsyncProperty<[Step[]]> {
  return fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
    const run = new Run();
    for (const step of steps) await run.take(step);
    await run.end();
    run.check();
  });
}
