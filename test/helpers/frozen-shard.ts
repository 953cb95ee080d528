import { once } from 'node:events';
import { WebSocket } from 'ws';
import { Keys } from '../../engine/redis/keys.ts';
import { topics } from '../../shared/topics.ts';
import type { TestCluster, TestClusterOptions } from './cluster.ts';
import { type RedisNode, until } from './redis-server.ts';
import { partner } from './system-process.ts';

/** A cluster whose Redis never takes a silent node for failed, so that a frozen primary stays one. */
export const FROZEN_SHARD_OPTIONS: TestClusterOptions = {
  nodeTimeoutMs: 120_000,
  gatewayEnv: { WS_FRAMES_PER_SECOND: '100000', WS_FRAME_BURST: '100000' },
};

const keys = new Keys('');

/** A conversation and the Redis node that leads its slot. */
interface Room {
  id: string;
  leader: RedisNode;
}

/** What became of one message. */
export interface Sent {
  room: Room;
  ok: boolean;
  answer: string;
  ms: number;
}

/** A connection that only counts on the answers to what it sends, and keeps nothing else. */
class Sender {
  readonly ws: WebSocket;
  readonly #waiting = new Map<string, (type: string) => void>();

  constructor(url: string, token: string) {
    this.ws = new WebSocket(url, ['connect.v1'], { headers: { authorization: `Bearer ${token}` } });
    this.ws.on('message', (data) => {
      const { ref, type } = JSON.parse(data.toString()) as { ref?: string; type: string };
      if (ref === undefined) return;
      this.#waiting.get(ref)?.(type);
      this.#waiting.delete(ref);
    });
    this.ws.on('close', (code) => {
      for (const resolve of this.#waiting.values()) resolve(`closed with ${code}`);
      this.#waiting.clear();
    });
  }

  /** The type of the answer. */
  request(ref: string, frame: object): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting.set(ref, resolve);
      this.ws.send(JSON.stringify({ ...frame, ref }));
    });
  }
}

/** Users who send into conversations of every shard, and a primary that can be frozen. */
export class ShardScene {
  readonly rooms: Room[];
  /** The primary that leads the first conversation. */
  readonly primary: RedisNode;
  readonly #senders: Sender[];
  #messages = 0;

  private constructor(rooms: Room[], senders: Sender[]) {
    this.rooms = rooms;
    this.#senders = senders;
    this.primary = (rooms[0] as Room).leader;
  }

  /** Each conversation is active when this resolves. */
  static async start(cluster: TestCluster, { users, rooms }: { users: number; rooms: number }): Promise<ShardScene> {
    const rest = partner(cluster.demo);
    const names = Array.from({ length: users }, (_, i) => `sender-${i}`);
    const made: Room[] = [];
    for (let i = 0; i < rooms; i++) {
      await until(async () => {
        const { id } = await rest.group('sender-0', names.slice(1));
        return made.push({ id, leader: await cluster.redis.primaryOf(keys.channel(topics.conversation(id))) }) > 0;
      }, 'a group is made');
    }
    const senders = await Promise.all(
      names.map(async (name, i) => {
        const gateway = cluster.gateways[i % cluster.gateways.length];
        if (gateway === undefined) throw new Error('no gateway');
        const { accessToken } = await rest.session(name);
        const sender = new Sender(cluster.demoOf(gateway).wsUrl, accessToken);
        await once(sender.ws, 'message');
        return sender;
      }),
    );
    return new ShardScene(made, senders);
  }

  get healthyRooms(): Room[] {
    return this.rooms.filter(({ leader }) => leader !== this.primary);
  }

  /** Sends one message, by one of the users in turn; resolves with its answer. */
  async send(room: Room): Promise<Sent> {
    const n = this.#messages++;
    const sender = this.#senders[n % this.#senders.length] as Sender;
    const startedAt = performance.now();
    const frame = { type: 'message.send', conversationId: room.id, clientMessageId: `m-${n}`, text: 'text' };
    const answer = await sender.request(String(n), frame);
    return { room, ok: answer === 'ok', answer, ms: performance.now() - startedAt };
  }

  close(): void {
    for (const { ws } of this.#senders) ws.terminate();
  }
}
