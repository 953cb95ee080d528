import type { FastifyBaseLogger } from 'fastify';

const TIMEOUT_MS = 2000;

export interface EcsTaskWatchOptions {
  /** What ECS gives each container as ECS_CONTAINER_METADATA_URI_V4. */
  metadataUri: string;
  intervalMs?: number;
  log: FastifyBaseLogger;
  /** Called once, when ECS wants the task gone. */
  onStopping: () => void;
}

/**
 * Asks ECS whether this task is to stop. A load balancer deregisters a task, and starts to count down to cutting its connections, before
 * the task gets SIGTERM; the metadata tells at once, so the drain can begin while there is time to spread it.
 */
export class EcsTaskWatch {
  readonly #options: EcsTaskWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: EcsTaskWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#look(), this.#options.intervalMs ?? 2000).unref();
  }

  async #look(): Promise<void> {
    try {
      const response = await fetch(`${this.#options.metadataUri}/task`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const task = (await response.json()) as { DesiredStatus?: unknown };
      if (task.DesiredStatus === 'STOPPED' && !this.#stopped) {
        this.stop();
        this.#options.log.info('ECS wants this task to stop');
        this.#options.onStopping();
      }
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the ECS task metadata could not be read');
    }
    this.#schedule();
  }
}
