import type { HistoryRecord } from './history.ts';

export interface Percentiles {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

interface Sent {
  t: number;
  disturbed: boolean;
}

const UNDER_WAY_MS = 100;

/** How long acks and deliveries took, ms; apart for what met a fault on its way. */
export class LatencyMeter {
  readonly #sent = new Map<string, Sent>();
  readonly #samples = { ack: { calm: [] as number[], fault: [] as number[] }, delivery: { calm: [] as number[], fault: [] as number[] } };
  readonly #users = new Map<string, string>();
  /** When each member was let in last, by conversation and user. */
  readonly #letIn = new Map<string, number>();
  #faults = 0;

  take(record: HistoryRecord): void {
    if (record.kind === 'fault') {
      this.#faults += record.phase === 'begin' ? 1 : -1;
      if (record.phase === 'begin') this.#disturb(record.t);
    } else if (record.kind === 'send') {
      this.#sent.set(record.id, { t: record.t, disturbed: this.#faults > 0 });
    } else if (record.kind === 'device') this.#users.set(record.device, record.user);
    else if (record.kind === 'change' && record.event === 'member.added') {
      for (const user of record.users ?? []) this.#letIn.set(`${record.conversation} ${user}`, record.t);
    } else if (record.kind === 'ack') this.#sample('ack', record.id, record.t);
    else if (record.kind === 'given' && record.id !== undefined && !this.#wasOut(record.device, record.conversation, record.id)) {
      this.#sample('delivery', record.id, record.t);
    }
  }

  /** What was sent before its user was let in, a device reads when it can. */
  #wasOut(device: string, conversation: string, id: string): boolean {
    const letIn = this.#letIn.get(`${conversation} ${this.#users.get(device)}`);
    return letIn !== undefined && (this.#sent.get(id)?.t ?? 0) < letIn;
  }

  /** What was sent shortly before a fault may still be on its way. */
  #disturb(t: number): void {
    for (const sent of this.#sent.values()) if (sent.t > t - UNDER_WAY_MS) sent.disturbed = true;
  }

  #sample(what: 'ack' | 'delivery', id: string, t: number): void {
    const sent = this.#sent.get(id);
    if (sent !== undefined) this.#samples[what][sent.disturbed ? 'fault' : 'calm'].push(t - sent.t);
  }

  percentiles(what: 'ack' | 'delivery', when: 'calm' | 'fault'): Percentiles | undefined {
    return percentiles(this.#samples[what][when]);
  }
}

export function percentiles(samples: readonly number[]): Percentiles | undefined {
  if (samples.length === 0) return undefined;
  const sorted = Float64Array.from(samples).sort();
  const at = (quantile: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(quantile * sorted.length) - 1)]!;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted.at(-1)! };
}
