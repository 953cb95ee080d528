import type { Row } from '../rows/row.ts';
import { SYSTEM } from '../rows/row.ts';
import type { RowResult } from './row-result.ts';

const WIDTH = 760;
const LABEL = 260;
const BAR = 22;
const GAP = 6;

const xml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Horizontal bars of the row's main metric, a group per workload; a thin line shows the spread of the rounds. */
export function barChart(row: Row, result: RowResult): string {
  const parts: string[] = [];
  let y = 34;
  const digits = row.metrics[row.main]?.digits ?? 2;
  for (const { name, systems } of result.workloads) {
    const shown = systems.filter(({ metrics }) => metrics[row.main] !== undefined);
    if (shown.length === 0) continue;
    const most = Math.max(...shown.map(({ metrics }) => metrics[row.main]?.max ?? 0), Number.EPSILON);
    const scale = (value: number): number => (Math.max(0, value) / most) * (WIDTH - LABEL - 90);
    parts.push(`<text x="8" y="${y + 14}" class="h">${xml(name)}</text>`);
    y += 24;
    for (const system of shown) {
      const { median, min, max } = system.metrics[row.main] as { median: number; min: number; max: number };
      const ours = system.name.startsWith(SYSTEM.ours);
      parts.push(`<text x="${LABEL - 8}" y="${y + 15}" text-anchor="end">${xml(system.name)}</text>`);
      parts.push(`<rect x="${LABEL}" y="${y}" width="${scale(median).toFixed(1)}" height="${BAR}" class="${ours ? 'o' : 'p'}"/>`);
      parts.push(`<path d="M${(LABEL + scale(min)).toFixed(1)} ${y + BAR / 2}H${(LABEL + scale(max)).toFixed(1)}" class="s"/>`);
      parts.push(
        `<text x="${(LABEL + scale(max) + 6).toFixed(1)}" y="${y + 15}">${median.toLocaleString('en', { maximumFractionDigits: digits })}</text>`,
      );
      y += BAR + GAP;
    }
    y += 10;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui,sans-serif" font-size="13">
<style>svg{background:#fff}text{fill:#222}.h{font-weight:600}.o{fill:#1a7f5a}.p{fill:#9aa7b4}.s{stroke:#222;stroke-width:1.5}</style>
<text x="8" y="20" class="h" font-size="15">${xml(row.title)}: ${xml(row.metrics[row.main]?.label ?? '')}</text>
${parts.join('\n')}
</svg>
`;
}
