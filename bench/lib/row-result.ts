import type { Machine } from './machine.ts';
import type { Figure } from './stats.ts';

/** A row as it is kept: every workload, every system, every metric with its rounds. */
export interface RowResult {
  row: string;
  title: string;
  date: string;
  rounds: number;
  machine: Machine;
  workloads: { name: string; systems: { name: string; metrics: Record<string, Figure> }[] }[];
}
