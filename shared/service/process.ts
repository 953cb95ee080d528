import closeWithGrace from 'close-with-grace';

/** How long closing may take beyond the drain window before the process is ended, ms. */
const CLOSE_SLACK_MS = 15_000;

/** The log of a process; pino's fits. */
export interface ProcessLog {
  info(details: object, message: string): void;
  error(details: unknown, message?: string): void;
  fatal(details: object, message: string): void;
}

/** What runs in this process, as its end needs to know it. */
export interface RunningService {
  log: ProcessLog;
  /** How long `drain` may take, ms. */
  drainMs: number;
  /** Hands the work over to other processes. Not called when the process ends after an error that nobody handled. */
  drain(): Promise<void>;
  /** Ends everything. A rejection makes the process exit with 1. */
  close(): Promise<void>;
}

export interface ProcessOptions {
  /** The variables that choose the ports of this process, for the line that says that one is in use. */
  portVariables: readonly string[];
  /** Starts the service. `stop` ends the process as SIGTERM does. A rejection is printed as one line, and the process exits with 1. */
  start(stop: () => void): Promise<RunningService>;
}

/** The whole life of a process: start, and on a signal or an error that nobody handled drain, close and exit. Resolves when it has started. */
export async function runProcess({ portVariables, start }: ProcessOptions): Promise<void> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  try {
    const service = await start(stop);
    const { log, drainMs } = service;
    const grace = closeWithGrace({ delay: drainMs + CLOSE_SLACK_MS, logger: log }, async ({ signal, err }) => {
      if (err === undefined) {
        log.info({ signal }, 'draining');
        await service.drain();
      } else log.fatal({ err }, 'ending after an error nobody handled');
      log.info({}, 'closing');
      await service.close();
    });
    void stopped.then(() => grace.close());
  } catch (error) {
    console.error(startFailure(error, portVariables));
    process.exit(1);
  }
}

/** Why a process did not start, in one line. */
export function startFailure(error: unknown, portVariables: readonly string[]): string {
  const { code, port, address, message } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE') return `${address}:${port} is in use; stop what listens there, or set ${portVariables.join(' or ')}`;
  if (code === 'CHAT_ERR_NOT_DURABLE')
    return 'Redis has fewer replicas in reach than REDIS_MIN_REPLICA_ACKS asks for; start them, or set it lower';
  return message ?? String(error);
}
