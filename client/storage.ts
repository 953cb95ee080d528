/**
 * Where cursors and unsent messages outlive the process. `localStorage` and React Native's `AsyncStorage` fit as they are. One client per
 * key prefix at a time: two tabs need one each (`sessionStorage` does that by itself).
 */
export interface ChatStorage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
}

/** Keeps everything as long as the process lives; to hand from one client to the next, and for tests. */
export class MemoryStorage implements ChatStorage {
  private readonly items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}
