import type { EngineLog } from './engine.ts';

/** Lines kept until there is a log. */
const LINES_MAX = 100;

/** The log of an engine that is opened before the application that it logs to: lines wait until that is there. */
export class DeferredLog implements EngineLog {
  #log: EngineLog | undefined;
  #lines: { level: keyof EngineLog; details: object; message: string }[] = [];

  /** Lines go here from now on, those that waited first. */
  attach(log: EngineLog): void {
    this.#log = log;
    for (const { level, details, message } of this.#lines.splice(0)) log[level](details, message);
  }

  info(details: object, message: string): void {
    this.#write('info', details, message);
  }

  warn(details: object, message: string): void {
    this.#write('warn', details, message);
  }

  error(details: object, message: string): void {
    this.#write('error', details, message);
  }

  #write(level: keyof EngineLog, details: object, message: string): void {
    if (this.#log !== undefined) this.#log[level](details, message);
    else if (this.#lines.length < LINES_MAX) this.#lines.push({ level, details, message });
  }
}
