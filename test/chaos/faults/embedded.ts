import { pick } from '../random.ts';
import { pause } from '../until.ts';
import { crowd, drawCrowd } from './clients.ts';
import { drawMs, drawStep, during, EXIT_SLACK_MS, type Fault, fault, PARTS, READY_MS, within } from './fault.ts';
import { Returns } from './returns.ts';

/** What breaks where one process does everything on SQLite. */

const killed = fault({
  parts: PARTS,
  draw: ({ random }) => ({ downMs: pick(random, [0, 1000, 3000]) }),
  inject: async ({ system, load }, { downMs }) => {
    const returns = new Returns(load);
    await system.end('SIGKILL');
    await pause(downMs);
    system.run();
    await system.ready(READY_MS);
    return `down for ${downMs} ms; ${await returns.complete(true)}`;
  },
});

const restarted = fault({
  parts: PARTS,
  draw: () => ({}),
  inject: async ({ system, load, drainSeconds }) => {
    const returns = new Returns(load);
    const exit = await within(system.end('SIGTERM'), drainSeconds * 1000 + EXIT_SLACK_MS, 'it stops');
    if (exit !== 0) throw new Error(`it ended with ${exit} after SIGTERM`);
    system.run();
    await system.ready(READY_MS);
    return returns.complete(true);
  },
});

const frozen = fault({
  parts: ['gateways', 'messaging'],
  draw: (draw) => ({ ms: drawMs(draw) }),
  inject: async ({ system }, { ms }) => {
    await during(
      ms,
      () => system.signal('SIGSTOP'),
      () => system.signal('SIGCONT'),
    );
    await system.ready(READY_MS);
    return `for ${ms} ms`;
  },
});

const diskFull = fault({
  parts: ['messaging'],
  draw: (draw) => ({ ms: drawMs(draw) }),
  inject: async ({ system, expectLog }, { ms }) => {
    expectLog('SQLITE|disk|storage|store', await system.processes());
    await system.limitFiles(1);
    await pause(ms).finally(() => system.limitFiles(undefined));
    await system.ready(READY_MS);
    return `no file grows for ${ms} ms`;
  },
});

const clockStepped = fault({
  parts: ['clocks'],
  draw: (draw) => ({ aheadMs: drawStep(draw.random), ms: drawMs(draw) }),
  inject: async ({ system }, { aheadMs, ms }) => {
    await during(
      ms,
      () => system.stepClock(aheadMs),
      () => system.stepClock(0),
    );
    return `by ${aheadMs / 1000} s, for ${ms} ms`;
  },
});

const clientsDropped = fault({
  parts: ['network'],
  draw: () => ({}),
  inject: async ({ system, load }) => {
    const returns = new Returns(load);
    system.balancer.reset();
    return returns.complete(true);
  },
});

const crowdRejoins = fault({
  parts: PARTS,
  draw: drawCrowd,
  inject: async (context, params) => {
    const { system, load } = context;
    const told = await crowd(context, system.balancer, params, async () => {
      await system.end('SIGKILL');
      system.run();
      await system.ready(READY_MS);
    });
    load.start();
    return told;
  },
});

export const EMBEDDED_FAULTS: Record<string, Fault> = {
  'process killed': killed,
  'process restarted': restarted,
  'process frozen': frozen,
  'sqlite disk full': diskFull,
  'process clock stepped': clockStepped,
  'clients dropped': clientsDropped,
  'crowd rejoins the process': crowdRejoins,
};
