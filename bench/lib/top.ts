/** `node bench/lib/top.ts FILE.cpuprofile [LINES]`: where the time of a profile went, by function and by file, idle left out. */
import { readFileSync } from 'node:fs';

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

const profile = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Profile;
const lines = Number(process.argv[3] ?? 40);
const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
const functions = new Map<string, number>();
const files = new Map<string, number>();
let total = 0;
for (const [i, id] of profile.samples.entries()) {
  const frame = frames.get(id);
  const time = profile.timeDeltas[i] ?? 0;
  if (frame === undefined || frame.functionName === '(idle)' || frame.functionName === '(program)' || frame.url === 'node:inspector')
    continue;
  total += time;
  const file = frame.url.replace(/^file:\/\//, '').replace(/^.*\/(node_modules|gateway|messaging|shared|bench)\//, '$1/') || '(native)';
  const name = `${frame.functionName || '(anonymous)'} ${file}:${frame.lineNumber + 1}`;
  functions.set(name, (functions.get(name) ?? 0) + time);
  files.set(file, (files.get(file) ?? 0) + time);
}
const print = (title: string, map: Map<string, number>, count: number): void => {
  console.log(`\n${title}, of ${(total / 1e6).toFixed(2)} s`);
  for (const [name, time] of [...map].sort((a, b) => b[1] - a[1]).slice(0, count))
    console.log(`${((100 * time) / total).toFixed(1).padStart(6)} %  ${name}`);
};
print('by function', functions, lines);
print('by file', files, Math.ceil(lines / 2));
