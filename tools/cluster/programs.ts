import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program of the local cluster that comes from the system's packages. */
export interface Needed {
  names: readonly string[];
  what: string;
  debian: string;
  brew: string;
}

export const REDIS: Needed = {
  names: ['redis-server', 'valkey-server'],
  what: 'Redis or Valkey 7 or newer',
  debian: 'redis-server',
  brew: 'redis',
};
export const HAPROXY: Needed = { names: ['haproxy'], what: 'HAProxy 2.4 or newer', debian: 'haproxy', brew: 'haproxy' };

/** Where distributions put servers; not every user has these in the PATH. */
const ALSO = ['/usr/sbin', '/usr/local/sbin', '/sbin'];

/** The path of the first of these programs that is there. */
export function findProgram({ names }: Needed): string | undefined {
  for (const name of names) {
    for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), ...ALSO]) {
      if (folder === '') continue;
      const file = join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {}
    }
  }
  return undefined;
}

/** What to do about a program that is missing. */
export function howToInstall({ names, what, debian, brew }: Needed): string {
  return `${what} is needed, but ${names.join(' or ')} is not on the PATH. Install it: apt-get install ${debian} (Debian, Ubuntu), brew install ${brew} (macOS).`;
}
