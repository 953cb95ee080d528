import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

type Drainer = () => Promise<void>;

/** The order in which a gateway lets go of its work when it is told to stop. */
export interface Drain {
  /** True from the first moment of the shutdown: not ready any more, connections are not kept alive. */
  readonly active: boolean;
  /** Registers work to hand over before the listeners close; run in the order of registration. */
  add(name: string, drainer: Drainer): void;
  /** Runs all drainers, once; one that fails does not stop the next. */
  run(): Promise<void>;
}

async function drain(app: FastifyInstance): Promise<void> {
  const drainers: { name: string; drainer: Drainer }[] = [];
  let active = false;
  let running: Promise<void> | undefined;

  async function runAll(): Promise<void> {
    for (const { name, drainer } of drainers) {
      try {
        await drainer();
      } catch (error) {
        app.log.error({ err: error, drainer: name }, 'drainer failed');
      }
    }
  }

  app.decorate('drain', {
    get active() {
      return active;
    },
    add(name, drainer) {
      drainers.push({ name, drainer });
    },
    run() {
      active = true;
      running ??= runAll();
      return running;
    },
  } satisfies Drain);

  app.addHook('onSend', async (_request, reply) => {
    if (active) reply.header('connection', 'close');
  });
}

export default fp(drain, { name: 'drain', fastify: '5.x' });

declare module 'fastify' {
  interface FastifyInstance {
    drain: Drain;
  }
}
