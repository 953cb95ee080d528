/** A process of clients. Takes orders over IPC; `pool.ts` is the other end. */
import { Client, type ClientSpec, type Dialect, type Tally } from './client.ts';

const tally: Tally = { delivered: 0, acked: 0, faults: 0, firstFault: undefined, closed: 0, errors: 0, caughtUp: 0, bytesIn: 0 };
const clients: Client[] = [];

/** Milliseconds on a clock that all processes of the machine share. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Latencies of the running measurement, ms. */
let latencies: { ack: number[]; delivered: number[] } | undefined;
const sentAt = new Map<number, number>();

const observer = {
  onAck(_: Client, ref: number): void {
    const at = sentAt.get(ref);
    if (at !== undefined) {
      sentAt.delete(ref);
      latencies?.ack.push(now() - at);
    }
  },
  onStamp(_: Client, stamp: string): void {
    const at = Number(stamp.slice(stamp.lastIndexOf(':') + 1));
    if (at > 0) latencies?.delivered.push(now() - at);
  },
};

export interface OpenOrder {
  dialect: Dialect;
  clients: ClientSpec[];
  /** 127.0.X.Y from here on; one address for 10,000 clients. */
  sourceBase: number;
  /** Upgrades under way at once. */
  concurrency: number;
  stamps?: boolean;
}

const RETRY_FOR_MS = 60_000;

async function open({
  dialect,
  clients: specs,
  sourceBase,
  concurrency,
  stamps,
}: OpenOrder): Promise<{ ms: number; failed: number; firstError?: string }> {
  const startedAt = performance.now();
  let next = 0;
  let failed = 0;
  let firstError: string | undefined;
  const base = clients.length;
  for (const spec of specs) clients.push(new Client(spec, dialect, tally, observer, stamps));
  const one = async (): Promise<void> => {
    while (next < specs.length) {
      const index = next++;
      const source = sourceBase + Math.floor((base + index) / 10_000);
      try {
        const from = `127.0.${source >> 8}.${(source & 255) + 1}`;
        for (;;) {
          try {
            await (clients[base + index] as Client).open(from);
            break;
          } catch (error) {
            // A server that protects itself says so, and a client waits and comes again.
            if (!/^refused with HTTP\/1.1 503/.test((error as Error).message) || performance.now() > startedAt + RETRY_FOR_MS) throw error;
            await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 500));
          }
        }
      } catch (error) {
        failed += 1;
        firstError ??= (error as Error).message;
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return { ms: performance.now() - startedAt, failed, ...(firstError === undefined ? {} : { firstError }) };
}

/** Opens and closes clients one after another, for a time: how many upgrades a second. */
async function churn(
  order: OpenOrder & { accepts: number; seconds: number },
): Promise<{ accepted: number; ms: number; failed: number; firstError?: string }> {
  const startedAt = performance.now();
  const stopAt = startedAt + order.seconds * 1000;
  let accepted = 0;
  let failed = 0;
  let next = 0;
  let firstError: string | undefined;
  const one = async (): Promise<void> => {
    while (performance.now() < stopAt && next < order.accepts) {
      const index = next++;
      const spec = order.clients[index % order.clients.length] as ClientSpec;
      const client = new Client(spec, order.dialect, tally, observer);
      const source = order.sourceBase + (index % 16);
      try {
        await client.open(`127.0.${source >> 8}.${(source & 255) + 1}`);
        accepted += 1;
      } catch (error) {
        failed += 1;
        firstError ??= (error as Error).message;
      }
      client.destroy();
    }
  };
  await Promise.all(Array.from({ length: order.concurrency }, one));
  return { accepted, ms: performance.now() - startedAt, failed, ...(firstError === undefined ? {} : { firstError }) };
}

export interface FloodOrder {
  /** Messages to send; fewer when the time is over first. */
  messages: number;
  seconds: number;
  /** Messages under way at once: sent, but not yet delivered to everyone. */
  inFlight: number;
  /** Clients a message reaches, the sender included. */
  reach: number;
  /** Indexes of the clients that send, in turn. */
  senders: number[];
  text: string;
}

export interface FloodResult {
  messages: number;
  deliveries: number;
  seconds: number;
}

let messageId = 0;
const prefix = `${process.pid}-${Date.now()}`;

/** Keeps `inFlight` messages under way; every delivery is to a client of this process. */
async function flood({ messages, seconds, inFlight, reach, senders, text }: FloodOrder): Promise<FloodResult> {
  const from = tally.delivered;
  const startedAt = performance.now();
  const stopAt = startedAt + seconds * 1000;
  const lateAt = stopAt + 20_000;
  let sent = 0;
  let endedAt = startedAt;
  for (;;) {
    const time = performance.now();
    const done = tally.delivered - from;
    if (time < stopAt && sent < messages) {
      while (sent * reach - done < inFlight * reach && sent < messages) {
        const client = clients[senders[sent % senders.length] as number] as Client;
        const room = client.spec.rooms[sent % client.spec.rooms.length] as string;
        messageId += 1;
        client.sendMessage(room, messageId, `${prefix}-${messageId}`, text);
        sent += 1;
      }
    } else if (done >= sent * reach) {
      endedAt = time;
      break;
    } else if (time > lateAt)
      throw new Error(
        `${sent * reach - done} of ${sent * reach} deliveries did not come; ${tally.errors} errors, ${tally.closed} closed, ${tally.firstFault}`,
      );
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { messages: sent, deliveries: tally.delivered - from, seconds: (endedAt - startedAt) / 1000 };
}

export interface PairsOrder {
  /** Messages to send; fewer when the time is over first. */
  messages: number;
  seconds: number;
  /** Closed loop: messages sent but not both acked and delivered. Or open loop: messages a second. */
  inFlight?: number;
  perSecond?: number;
  senders: number[];
  text: string;
  /** Deliveries in this process for each message, the sender's own included. */
  reach: number;
}

/** One-to-one messages with latencies. Delivery counts when the other side has it; the sender's own copy is awaited, not timed apart. */
async function pairs({
  messages,
  seconds,
  inFlight,
  perSecond,
  senders,
  text,
  reach,
}: PairsOrder): Promise<FloodResult & { ack: number[]; delivered: number[] }> {
  latencies = { ack: [], delivered: [] };
  const from = tally.delivered;
  const ackedFrom = tally.acked;
  const startedAt = performance.now();
  const stopAt = startedAt + seconds * 1000;
  const lateAt = stopAt + 20_000;
  let sent = 0;
  const send = (scheduled: number): void => {
    const client = clients[senders[sent % senders.length] as number] as Client;
    messageId += 1;
    sentAt.set(messageId, scheduled);
    client.sendMessage(client.spec.rooms[0] as string, messageId, `${prefix}-${messageId}:${scheduled.toFixed(3)}`, text);
    sent += 1;
  };
  const offset = now() - performance.now();
  for (;;) {
    const time = performance.now();
    const done = Math.min((tally.delivered - from) / reach, tally.acked - ackedFrom);
    if (time >= stopAt || sent >= messages) {
      if (done >= sent) break;
      if (time > lateAt) throw new Error(`${sent - done} of ${sent} messages did not arrive; ${tally.errors} errors, ${tally.firstFault}`);
    } else if (perSecond !== undefined) {
      const due = Math.floor(((time - startedAt) / 1000) * perSecond);
      while (sent < due) send(startedAt + ((sent + 1) * 1000) / perSecond + offset);
    } else while (sent - done < (inFlight ?? 1) && sent < messages) send(now());
    // Open loop: idle between sends, or polling would take the core from the server.
    if (perSecond === undefined) await new Promise((resolve) => setImmediate(resolve));
    else await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const result = { messages: sent, deliveries: tally.delivered - from, seconds: (performance.now() - startedAt) / 1000, ...latencies };
  latencies = undefined;
  sentAt.clear();
  return result;
}

function destroy(count?: number): number {
  const gone = clients.splice(0, count ?? clients.length);
  for (const client of gone) client.destroy();
  return gone.length;
}

function cursors(): Record<string, { seq: number; epoch: string }>[] {
  return clients.map((client) => Object.fromEntries(client.spec.rooms.map((room) => [room, client.cursor(room)])));
}

const ORDERS = {
  open,
  churn,
  flood,
  pairs,
  destroy,
  cursors,
  tally: () => ({ ...tally, bytesIn: clients.reduce((sum, client) => sum + client.bytesIn, 0) }),
};
export type Orders = typeof ORDERS;

process.on('message', ({ id, order, argument }: { id: number; order: keyof Orders; argument: never }) => {
  Promise.resolve()
    .then((): unknown => ORDERS[order](argument))
    .then(
      (result) => process.send?.({ id, result }),
      (error: Error) => process.send?.({ id, error: error.message }),
    );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ up: true });
