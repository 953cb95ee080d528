/** What the SDK needs of a WebSocket: the callback half of the browser's interface, which Node, React Native and `ws` share. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** Makes a WebSocket, as `new WebSocket(url, protocols)` does. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/**
 * Time and timers, injected so that tests need not wait. Devices set their clocks, by the network and by hand: how long something lasts is
 * measured with `monotonic`, and `now` is only for what outlives the process.
 */
export interface ClientClock {
  /** Wall time, Unix ms. It may step in either direction. */
  now(): number;
  /** Milliseconds since some moment in the past; never goes back. It may stand still while the device sleeps. */
  monotonic(): number;
  /** Runs once after `ms`; the result cancels it through `clearTimeout`. */
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

interface Host {
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  performance: { now(): number };
  queueMicrotask?(run: () => void): void;
  atob?(text: string): string;
  WebSocket?: WebSocketConstructor;
  crypto?: { getRandomValues?(bytes: Uint8Array): Uint8Array };
  localStorage?: unknown;
}

/** The globals of the platform, all of them optional but timers and `performance`: browsers, React Native and Node differ in the rest. */
export const host = globalThis as unknown as Host;

/** The platform's clock. */
export const systemClock: ClientClock = {
  now: () => Date.now(),
  monotonic: () => host.performance.now(),
  setTimeout: (run, ms) => host.setTimeout(run, ms),
  clearTimeout: (timer) => host.clearTimeout(timer),
};
