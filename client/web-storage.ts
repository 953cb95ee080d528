import { host } from './platform.ts';
import type { ChatStorage } from './storage.ts';

/** The part of the browser's Storage that is used. */
export interface WebStorageArea {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/**
 * Keeps cursors and unsent messages in the browser's `localStorage`, or in the area given (`sessionStorage` for one client per tab). A full or
 * forbidden storage is reported as CLIENT_STORAGE and the client goes on in memory. Looked up at each use, because a browser that
 * forbids storage throws at the first touch of the global.
 */
export function localStorageAdapter(options: { prefix?: string; area?: WebStorageArea } = {}): ChatStorage {
  const prefix = options.prefix ?? '';
  const area = (): WebStorageArea => {
    const found = options.area ?? (host.localStorage as WebStorageArea | undefined);
    if (found === undefined) throw new Error('This platform has no localStorage');
    return found;
  };
  return {
    getItem: (key) => area().getItem(prefix + key),
    setItem: (key, value) => area().setItem(prefix + key, value),
    removeItem: (key) => area().removeItem(prefix + key),
  };
}
