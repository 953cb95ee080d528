import type { Engine } from '../../engine/engine.ts';
import { Executor } from '../../messaging/executor.ts';
import { DEFAULT_LIMITS } from '../../messaging/rules/rule.ts';

/** Carries out commands on an engine as messaging does, with the usual limits. */
export const executorOf = ({ log }: Pick<Engine, 'log'>): Executor => new Executor(log, DEFAULT_LIMITS);
