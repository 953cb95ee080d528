import { type Clock, systemClock } from './clock.ts';

/** The metrics that dashboards and alarms read, by name. A service reports those it has. */
export type EmfMetric =
  | 'ActiveConnections'
  | 'MessagesSent'
  | 'EventsDelivered'
  | 'AckLatencyP99Ms'
  | 'GapRepairs'
  | 'SlowConsumersClosed'
  | 'MessagingQueueDepth'
  | 'RejectedUpgrades'
  | 'StoreErrors';

/** What a service reports. Gauges are as they are now. Counters are totals since the start, and a line carries the difference. */
export interface EmfReading {
  gauges?: Partial<Record<EmfMetric, number>>;
  counters?: Partial<Record<EmfMetric, number>>;
}

/** Calls a function again and again; injected so that tests need not wait. */
export type Repeat = (callback: () => void, everyMs: number) => { stop(): void };

/** Between two lines, ms. */
export const EMF_INTERVAL_MS = 60_000;

export interface EmfOptions {
  /** CloudWatch namespace, from METRICS_EMF_NAMESPACE; absent: nothing is written. */
  namespace: string | undefined;
  /** Value of the `Service` dimension. */
  service: string;
  read: () => EmfReading | Promise<EmfReading>;
  /** Takes one line without its end. Default: standard output. */
  write?: (line: string) => void;
  clock?: Clock;
  repeat?: Repeat;
}

const everyUnref: Repeat = (callback, everyMs) => {
  const timer = setInterval(callback, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
};

/**
 * Logs one line in CloudWatch embedded metric format every 60 s, and a last one when stopped, so that a short-lived task is counted
 * too. No agent and no network call: the log driver turns the lines into metrics.
 */
export function startEmf(options: EmfOptions): { stop(): void | Promise<void> } {
  const { namespace, service, read } = options;
  if (namespace === undefined) return { stop() {} };
  const write = options.write ?? ((line: string) => process.stdout.write(`${line}\n`));
  const clock = options.clock ?? systemClock;
  const totals = new Map<string, number>();

  function report(): void | Promise<void> {
    const reading = read();
    return reading instanceof Promise ? reading.then(log) : log(reading);
  }

  function log(reading: EmfReading): void {
    const values: Record<string, number> = {};
    for (const [name, value] of Object.entries(reading.gauges ?? {})) values[name] = value;
    for (const [name, total] of Object.entries(reading.counters ?? {})) {
      values[name] = total - (totals.get(name) ?? 0);
      totals.set(name, total);
    }
    write(emfLine({ namespace: namespace as string, service, at: clock.now(), values }));
  }

  const timer = (options.repeat ?? everyUnref)(() => void report(), EMF_INTERVAL_MS);
  return {
    stop() {
      timer.stop();
      return report();
    },
  };
}

/** One line of embedded metric format. Values that are no finite numbers are left out. Names that end in `Ms` are milliseconds. */
export function emfLine(line: { namespace: string; service: string; at: number; values: Record<string, number> }): string {
  const values = Object.entries(line.values).filter(([, value]) => Number.isFinite(value));
  const metrics = values.map(([name]) => ({ Name: name, Unit: name.endsWith('Ms') ? 'Milliseconds' : 'Count' }));
  return JSON.stringify({
    _aws: {
      Timestamp: line.at,
      CloudWatchMetrics: [{ Namespace: line.namespace, Dimensions: [['Service']], Metrics: metrics }],
    },
    Service: line.service,
    ...Object.fromEntries(values),
  });
}
