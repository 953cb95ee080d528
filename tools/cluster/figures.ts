import { withTimeout } from '../../shared/service/timers.ts';
import type { RedisNode } from '../redis-server.ts';
import { parsePromText, quantileBetween, type Scrape, total } from './prom-text.ts';
import type { ServiceProcess } from './service-process.ts';

/** One line of the live view. Rates are per second; what a kind of process has no figure for is absent. */
export interface Figures {
  name: string;
  state: string;
  connections?: number;
  /** Frames, commands or Redis commands that came in. */
  inPerS?: number;
  /** Events delivered, or messages stored. */
  outPerS?: number;
  /** 99th percentile of send to ack, or of an internal call, ms; the upper bound of its bucket. */
  p99Ms?: number;
  /** 99th percentile of the event loop's lateness, ms. */
  lagMs?: number;
  /** Share of one core, percent. */
  cpu?: number;
  memoryMb?: number;
}

interface Earlier {
  at: number;
  scrape: Scrape;
}

const TIMEOUT_MS = 900;

const NAMES = {
  gateway: {
    connections: 'chat_connections',
    in: 'chat_frames_received_total',
    out: 'chat_events_delivered_total',
    seconds: 'chat_ack_seconds',
  },
  messaging: {
    connections: 'chat_messaging_http2_sessions',
    in: 'chat_messaging_batch_commands_sum',
    out: 'chat_messaging_commands_total',
    seconds: 'chat_messaging_call_seconds',
  },
} as const;

/** Reads what the processes of a cluster tell of themselves, and remembers the last reading for the rates. */
export class FigureReader {
  readonly #earlier = new Map<string, Earlier>();

  async service(service: ServiceProcess): Promise<Figures> {
    const { name } = service;
    if (!service.running) {
      this.#earlier.delete(name);
      return { name, state: 'down' };
    }
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const [ready, text] = await Promise.all([
        fetch(`${service.adminUrl}/readyz`, { signal }).then(async (response) => {
          await response.body?.cancel();
          return response.ok;
        }),
        fetch(`${service.adminUrl}/metrics`, { signal }).then((response) => response.text()),
      ]);
      return { name, state: ready ? 'ready' : 'not ready', ...this.#compare(service, parsePromText(text)) };
    } catch {
      return { name, state: 'no answer' };
    }
  }

  #compare({ name, kind }: ServiceProcess, scrape: Scrape): Partial<Figures> {
    const names = NAMES[kind];
    const at = performance.now();
    const earlier = this.#earlier.get(name);
    this.#earlier.set(name, { at, scrape });
    const figures: Partial<Figures> = {
      connections: total(scrape, names.connections),
      lagMs: total(scrape, 'nodejs_eventloop_lag_p99_seconds') * 1000,
      memoryMb: total(scrape, 'process_resident_memory_bytes') / 2 ** 20,
    };
    if (earlier === undefined) return figures;
    const seconds = (at - earlier.at) / 1000;
    const rate = (metric: string): number => Math.max(0, (total(scrape, metric) - total(earlier.scrape, metric)) / seconds);
    figures.inPerS = rate(names.in);
    figures.outPerS = rate(names.out);
    figures.cpu = rate('process_cpu_seconds_total') * 100;
    const p99 = quantileBetween(earlier.scrape, scrape, names.seconds, 0.99);
    if (p99 !== undefined) figures.p99Ms = p99 * 1000;
    return figures;
  }
}

/** What a Redis node tells of itself. */
export async function redisFigures(node: RedisNode): Promise<Figures> {
  const name = `redis-${node.port}`;
  try {
    const info = await withTimeout(node.admin.info(), TIMEOUT_MS, () => new Error('no answer'));
    const field = (key: string): string => new RegExp(`^${key}:(.*)\r?$`, 'm').exec(info)?.[1]?.trim() ?? '';
    return {
      name,
      state: field('role') === 'master' ? 'primary' : field('master_link_status') === 'up' ? 'replica' : 'replica, no link',
      connections: Number(field('connected_clients')),
      inPerS: Number(field('instantaneous_ops_per_sec')),
      memoryMb: Number(field('used_memory_rss')) / 2 ** 20,
    };
  } catch {
    return { name, state: 'no answer' };
  }
}
