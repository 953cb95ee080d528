import type { Registry } from 'prom-client';
import type { EmfReading } from '../../shared/service/metrics-emf.ts';

/** Counts of a histogram up to each bound, in ascending order; the last bound is infinite. */
type Buckets = [bound: number, count: number][];

/** What dashboards and alarms want of the gateway's metrics. */
export class EmfReader {
  readonly #registry: Registry;
  #acks: Buckets = [];

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  async read(): Promise<EmfReading> {
    const [connections, delivered, repairs, slow, refused] = await Promise.all(
      [
        'chat_connections',
        'chat_events_delivered_total',
        'chat_gap_repairs_total',
        'chat_slow_consumers_total',
        'chat_rejected_upgrades_total',
      ].map((name) => this.#value(name)),
    );
    const queued = await this.#value('chat_messaging_client', 'queueDepth');
    const ackP99 = await this.#ackP99();
    return {
      gauges: {
        ActiveConnections: connections as number,
        MessagingQueueDepth: queued,
        ...(ackP99 !== undefined && { AckLatencyP99Ms: ackP99 * 1000 }),
      },
      counters: {
        EventsDelivered: delivered as number,
        GapRepairs: repairs as number,
        SlowConsumersClosed: slow as number,
        RejectedUpgrades: refused as number,
      },
    };
  }

  async #value(name: string, figure?: string): Promise<number> {
    const values = (await this.#registry.getSingleMetric(name)?.get())?.values ?? [];
    return values.find(({ labels }) => figure === undefined || labels['figure'] === figure)?.value ?? 0;
  }

  /** Of the messages acked since the last reading, in seconds; undefined when there were none. */
  async #ackP99(): Promise<number | undefined> {
    const values = (await this.#registry.getSingleMetric('chat_ack_seconds')?.get())?.values ?? [];
    const before = this.#acks;
    this.#acks = values
      .filter(({ labels }) => labels['le'] !== undefined)
      .map(({ labels, value }) => [labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']), value]);
    return quantile(
      this.#acks.map(([bound, count], index) => [bound, count - (before[index]?.[1] ?? 0)]),
      0.99,
    );
  }
}

/** Linear within its bucket, as Prometheus does it; beyond the last finite bound, that bound. */
export function quantile(buckets: Buckets, q: number): number | undefined {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total === 0) return undefined;
  const rank = q * total;
  const index = buckets.findIndex(([, count]) => count >= rank);
  const [from, below] = buckets[index - 1] ?? [0, 0];
  const [to, upTo] = buckets[index] as [number, number];
  return to === Number.POSITIVE_INFINITY ? from : from + ((to - from) * (rank - below)) / (upTo - below);
}
