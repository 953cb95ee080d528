import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { GuardedProcess } from './guarded-process.ts';
import type { ServiceProcess } from './service-process.ts';

const CONFIG = fileURLToPath(new URL('../../deploy/local/haproxy.cfg', import.meta.url));
const START_TIMEOUT_MS = 10_000;

export interface HaproxyOptions {
  program: string;
  publicPort: number;
  messagingPort: number;
  services: readonly ServiceProcess[];
  onLine: (line: string) => void;
}

/** Starts HAProxy with deploy/local/haproxy.cfg. Resolves when it accepts connections on both ports. */
export async function startHaproxy({ program, publicPort, messagingPort, services, onLine }: HaproxyOptions): Promise<GuardedProcess> {
  const env: Record<string, string> = { PUBLIC_PORT: String(publicPort), MESSAGING_PORT: String(messagingPort) };
  for (const { name, port, adminPort } of services) {
    const prefix = name.toUpperCase().replaceAll('-', '_');
    env[`${prefix}_PORT`] = String(port);
    env[`${prefix}_ADMIN_PORT`] = String(adminPort);
  }
  const haproxy = new GuardedProcess([program, '-db', '-f', CONFIG], { env, onLine });
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (const port of [publicPort, messagingPort]) {
    while (!(await accepts(port))) {
      if (!haproxy.running) throw new Error(`HAProxy ended with ${await haproxy.exited}`);
      if (Date.now() > deadline) throw new Error(`HAProxy does not listen on port ${port}`);
      await sleep(50);
    }
  }
  return haproxy;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
