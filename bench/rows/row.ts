/** One figure of one system in one round, gathered by `Recorder`. */
export interface Sample {
  /** What was done, such as 'one message to 1,000 sockets'. */
  workload: string;
  system: string;
  metrics: Record<string, number>;
}

export interface RowContext {
  quick: boolean;
  rounds: number;
  record(sample: Sample): void;
  progress(text: string): void;
  /** Only workloads and systems that contain this. */
  only: string | undefined;
  minutes: number | undefined;
  /** Folder for CPU profiles and heap snapshots of our servers; none when undefined. */
  profileDir: string | undefined;
}

/** How a metric is shown, and which direction is better. */
export interface MetricInfo {
  label: string;
  digits: number;
}

export interface Row {
  name: string;
  title: string;
  /** What a reader must know to judge the figures. */
  notes: readonly string[];
  metrics: Record<string, MetricInfo>;
  /** The metric of the chart and of the ratios. */
  main: string;
  run(context: RowContext): Promise<void>;
}

/** Names as they stand in tables. */
export const SYSTEM = {
  ours: 'Connect Chat',
  ws: 'ws',
  wsToken: 'ws + token check',
  fastify: '@fastify/websocket',
  socketIo: 'Socket.IO',
  uws: 'uWebSockets.js',
} as const;
