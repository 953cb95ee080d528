import type { WriteStream } from 'node:tty';
import type { Figures } from './figures.ts';

const COLUMNS: readonly [title: string, width: number, cell: (figures: Figures) => string][] = [
  ['process', -14, ({ name }) => name],
  ['state', -17, ({ state }) => state],
  ['conns', 7, ({ connections }) => whole(connections)],
  ['in/s', 9, ({ inPerS }) => whole(inPerS)],
  ['out/s', 9, ({ outPerS }) => whole(outPerS)],
  ['p99 ms', 8, ({ p99Ms }) => short(p99Ms)],
  ['lag ms', 8, ({ lagMs }) => short(lagMs)],
  ['cpu %', 7, ({ cpu }) => whole(cpu)],
  ['MB', 6, ({ memoryMb }) => whole(memoryMb)],
];

const LEGEND =
  'in: client frames, commands, Redis commands · out: events delivered, commands carried out · p99: send to ack, internal call · lag: event loop, p99';
const KEPT_LINES = 6;
const QUIET_EVERY = 10;

/** Shows figures: in a terminal as a table that renews itself under the last lines of the log, elsewhere as plain lines every 10 s. */
export class LiveView {
  readonly #out: NodeJS.WriteStream;
  readonly #lines: string[] = [];
  #shown = 0;
  #reading = 0;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
  }

  /** A line of a process, or about one. */
  log(line: string): void {
    if (!this.#out.isTTY) {
      this.#out.write(`${line}\n`);
      return;
    }
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
  }

  show(all: readonly Figures[]): void {
    if (this.#out.isTTY) this.#repaint(all);
    else if (this.#reading++ % QUIET_EVERY === 0) for (const figures of all) this.#out.write(`${plainLine(figures)}\n`);
  }

  #repaint(all: readonly Figures[]): void {
    const { columns = 120 } = this.#out as WriteStream;
    const table = [COLUMNS.map(([title, width]) => pad(title, width)).join(' ')];
    for (const figures of all) table.push(COLUMNS.map(([, width, cell]) => pad(cell(figures), width)).join(' '));
    const lines = [...this.#lines, '', ...table, '', LEGEND, 'Ctrl-C stops all of it.'].map((line) => line.slice(0, columns - 1));
    this.#out.write(`${this.#shown === 0 ? '' : `\x1b[${this.#shown}A`}\x1b[J${lines.join('\n')}\n`);
    this.#shown = lines.length;
  }
}

function plainLine(figures: Figures): string {
  const cells = COLUMNS.slice(2).flatMap(([title, , cell]) =>
    cell(figures) === '' ? [] : [`${title.replace(' ', '_')}=${cell(figures)}`],
  );
  return [figures.name, figures.state.replaceAll(' ', '-'), ...cells].join(' ');
}

function pad(text: string, width: number): string {
  return width < 0 ? text.padEnd(-width) : text.padStart(width);
}

function whole(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(0);
}

function short(value: number | undefined): string {
  if (value === undefined) return '';
  return Number.isFinite(value) ? value.toFixed(value < 10 ? 1 : 0) : '> 5000';
}
