import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Row, Sample } from '../rows/row.ts';
import { SYSTEM } from '../rows/row.ts';
import type { Machine } from './machine.ts';
import type { RowResult } from './row-result.ts';
import { type Figure, figure } from './stats.ts';
import { barChart } from './svg.ts';

const RESULTS = fileURLToPath(new URL('../results/', import.meta.url));
const README = fileURLToPath(new URL('../README.md', import.meta.url));

function summarize(row: Row, samples: readonly Sample[], machine: Machine): RowResult {
  const workloads: RowResult['workloads'] = [];
  let rounds = 0;
  for (const name of new Set(samples.map(({ workload }) => workload))) {
    const of = samples.filter(({ workload }) => workload === name);
    const systems = [...new Set(of.map(({ system }) => system))].map((system) => {
      const mine = of.filter((sample) => sample.system === system);
      const metrics: Record<string, Figure> = {};
      for (const key of Object.keys(row.metrics)) {
        const values = mine.flatMap((sample) => (sample.metrics[key] === undefined ? [] : [sample.metrics[key]]));
        rounds = Math.max(rounds, values.length);
        if (values.length > 0) metrics[key] = figure(values);
      }
      return { name: system, metrics };
    });
    workloads.push({ name, systems });
  }
  return { row: row.name, title: row.title, date: new Date().toISOString(), rounds, machine, workloads };
}

const number = (value: number, digits: number): string =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

function cell({ median, min, max, rounds }: Figure, digits: number): string {
  return rounds.length === 1 ? number(median, digits) : `${number(median, digits)} (${number(min, digits)}–${number(max, digits)})`;
}

/** The row as a Markdown table: median, and the spread of the rounds; the ratio is of the main metric, ours to theirs. */
export function markdown(row: Row, result: RowResult): string {
  const lines: string[] = [];
  for (const { name, systems } of result.workloads) {
    const keys = Object.keys(row.metrics).filter((key) => systems.some(({ metrics }) => metrics[key] !== undefined));
    lines.push(`**${name}**`, '');
    lines.push(
      `| | ${keys.map((key) => row.metrics[key]?.label).join(' | ')} | ours ÷ theirs |`,
      `|---|${keys.map(() => '---:|').join('')}---:|`,
    );
    const ours = systems.find((system) => system.name.startsWith(SYSTEM.ours))?.metrics[row.main]?.median;
    for (const system of systems) {
      const cells = keys.map((key) => (system.metrics[key] === undefined ? '' : cell(system.metrics[key], row.metrics[key]?.digits ?? 2)));
      const theirs = system.metrics[row.main]?.median;
      const ratio = system.name.startsWith(SYSTEM.ours) || ours === undefined || !theirs ? '' : number(ours / theirs, 2);
      lines.push(`| ${system.name} | ${cells.join(' | ')} | ${ratio} |`);
    }
    lines.push('');
  }
  return lines.join('\n');
}

export interface Report {
  row: Row;
  samples: readonly Sample[];
  machine: Machine;
  save: boolean;
  rows: readonly Row[];
}

/** Prints the row; saved, it replaces the row's result, its chart, and its table in the README. */
export async function report({ row, samples, machine, save, rows }: Report): Promise<void> {
  const result = summarize(row, samples, machine);
  console.log(`\n## ${row.title}\n\n${markdown(row, result)}`);
  if (!save) return;
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(`${RESULTS}${row.name}.json`, `${JSON.stringify(result, null, 1)}\n`);
  writeFileSync(`${RESULTS}${row.name}.svg`, barChart(row, result));
  writeReadme(rows);
}

const BEGIN = '<!-- results: written by npm run bench -->';
const END = '<!-- end of results -->';

function writeReadme(rows: readonly Row[]): void {
  if (!existsSync(README)) return;
  const text = readFileSync(README, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < 0) return;
  const parts = rows.flatMap((row) => {
    const file = `${RESULTS}${row.name}.json`;
    if (!existsSync(file)) return [];
    const result = JSON.parse(readFileSync(file, 'utf8')) as RowResult;
    const { machine, date } = result;
    const where = `${date.slice(0, 10)}, commit ${machine.commit}, ${machine.cores} × ${machine.cpu}, Node ${machine.node.slice(1)}; ${result.rounds} round${result.rounds === 1 ? '' : 's'}, median (least–most).`;
    return [
      `### ${row.title} (\`${row.name}\`)`,
      '',
      `${where}`,
      '',
      ...row.notes.map((note) => `- ${note}`),
      '',
      markdown(row, result),
      `![${row.title}](results/${row.name}.svg)`,
      '',
    ];
  });
  writeFileSync(README, `${text.slice(0, from)}${BEGIN}\n\n${parts.join('\n')}\n${text.slice(to)}`);
}
