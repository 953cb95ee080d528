import { fullJitter, type Retrying } from './backoff.ts';
import type { Connection } from './connection.ts';
import { ChatClientError, SignedOutError } from './errors.ts';

/** Surroundings of the keeper. */
export interface SessionKeeperOptions extends Retrying {
  /** A fresh access token. */
  token(): Promise<string>;
  /** There will be no token any more. */
  onSignedOut(): void;
  onError(error: ChatClientError): void;
}

/** Extends a connection whose access token runs out, so that nobody has to reconnect for it. */
export class SessionKeeper {
  private readonly options: SessionKeeperOptions;
  private generation = 0;
  private timer: unknown;

  constructor(options: SessionKeeperOptions) {
    this.options = options;
  }

  /**
   * Gets a fresh token and hands it to the server; tries again until the connection ends, as it does with 4005 when the token has expired.
   * The server's word decides and not a time: the device's clock may be hours away from the server's.
   */
  extend(connection: Connection): void {
    this.stop();
    void this.attempt(connection, 0, this.generation);
  }

  /** The connection is gone. */
  stop(): void {
    this.generation++;
    this.options.clock.clearTimeout(this.timer);
  }

  private async attempt(connection: Connection, failures: number, generation: number): Promise<void> {
    const { clock, random, backoff, onSignedOut, onError } = this.options;
    try {
      const accessToken = await this.options.token();
      if (generation === this.generation) await connection.request('session.refresh', { accessToken });
    } catch (cause) {
      if (generation !== this.generation) return;
      if (cause instanceof SignedOutError) {
        onSignedOut();
        return;
      }
      onError(cause instanceof ChatClientError ? cause : tokenFailed(cause));
      const wait = fullJitter(failures, backoff, random);
      this.timer = clock.setTimeout(() => void this.attempt(connection, failures + 1, generation), wait);
    }
  }
}

/** The error an app hears when its token callback failed. */
export function tokenFailed(cause: unknown): ChatClientError {
  return new ChatClientError('CLIENT_TOKEN', 'The token callback failed', { temporary: true, cause });
}
