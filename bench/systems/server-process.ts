import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { rssBytes } from '../lib/proc.ts';
import { pause, within } from '../lib/progress.ts';

const AGENT = fileURLToPath(new URL('../lib/agent.ts', import.meta.url));

export interface LaunchOptions {
  file: string;
  env?: Record<string, string>;
  args?: readonly string[];
  /** The program that runs it; this Node unless said otherwise. */
  execPath?: string;
  /** False for a server that answers the questions of the agent itself. */
  agent?: boolean;
  /** What `message` of the server says that it can serve; the value becomes `info`. */
  isReady?: (message: unknown) => unknown;
  /** For a server that sends none: asked until it answers 200. */
  readyUrl?: string;
}

async function answers(url: string): Promise<unknown> {
  for (;;) {
    const ok = await fetch(url, { signal: AbortSignal.timeout(3000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (ok) return url;
    await pause(50);
  }
}

/** A server under measurement, in a process of its own, with the agent inside. */
export class ServerProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  info: unknown;
  #output = '';
  #next = 1;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.pid = child.pid as number;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => (this.#output = (this.#output + chunk).slice(-20_000)));
    }
  }

  /** Resolves when the process sent its ready message. */
  static async start(options: LaunchOptions): Promise<ServerProcess> {
    const child = fork(options.file, [...(options.args ?? [])], {
      execPath: options.execPath ?? process.execPath,
      execArgv: options.agent === false ? ['--expose-gc'] : ['--expose-gc', '--import', AGENT],
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const server = new ServerProcess(child);
    const isReady = options.isReady ?? ((message) => (message as { ready?: unknown }).ready);
    const ready = new Promise<unknown>((resolve, reject) => {
      child.on('message', (message) => {
        const info = isReady(message);
        if (info !== undefined) resolve(info);
      });
      child.once('exit', (code, signal) => reject(new Error(`${options.file} ended with ${code ?? signal}: ${server.output}`)));
    });
    try {
      const { readyUrl } = options;
      server.info = await within(readyUrl === undefined ? ready : Promise.race([ready, answers(readyUrl)]), 60, `starting ${options.file}`);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    return server;
  }

  get output(): string {
    return this.#output;
  }

  get rss(): number {
    return rssBytes(this.pid);
  }

  async ask<T>(bench: 'gc' | 'profile-start' | 'profile-stop' | 'snapshot', file?: string): Promise<T> {
    const id = this.#next++;
    const answer = new Promise<T>((resolve) => {
      const listen = (message: { benchAnswer?: number; result?: unknown }): void => {
        if (message.benchAnswer !== id) return;
        this.child.off('message', listen as never);
        resolve(message.result as T);
      };
      this.child.on('message', listen as never);
    });
    this.child.send({ bench, id, file });
    return within(answer, 120, bench);
  }

  gc(): Promise<NodeJS.MemoryUsage> {
    return this.ask('gc');
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}
