import type { TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';

/** No connection could be made, so nothing was sent. */
export class ConnectFailed extends Error {
  override readonly name = 'ConnectFailed';
  readonly reason: string;
  constructor(cause: Error) {
    // Failures at several addresses together have no message of their own.
    const reason = cause.message || ((cause as NodeJS.ErrnoException).code ?? cause.name);
    super(`cannot connect: ${reason}`, { cause });
    this.reason = reason;
  }
}

export interface ConnectorOptions {
  timeoutMs: number;
  /** PEM of the authority of an https:// service; the system's when left out. */
  ca?: string;
}

/** undici connects again at once, in a tight loop, while calls of a connection told to go away still run. */
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1000;

/**
 * Connects over clear text with prior knowledge of HTTP/2, or over TLS that must agree on h2. Failures are `ConnectFailed`, and each
 * holds the next attempt back a little longer.
 */
export function createConnector({ timeoutMs, ca }: ConnectorOptions): buildConnector.connector {
  const connect = buildConnector({
    timeout: timeoutMs,
    allowH2: true,
    preferH2: true,
    // undici's own option name for HTTP/2 without TLS; missing from its types.
    ...({ useH2c: true } as object),
    ...(ca === undefined ? {} : { ca }),
  });
  let pauseMs = 0;

  return (options, callback) => {
    const fail = (error: Error): void => {
      pauseMs = Math.min(Math.max(pauseMs * 2, FIRST_PAUSE_MS), LAST_PAUSE_MS);
      callback(new ConnectFailed(error), null);
    };
    const attempt = (): void => {
      connect(options, (error, socket) => {
        if (error !== null) fail(error);
        else if (options.protocol === 'https:' && (socket as TLSSocket).alpnProtocol !== 'h2') {
          socket.destroy();
          fail(new Error('the server does not speak HTTP/2 over TLS (ALPN h2)'));
        } else {
          pauseMs = 0;
          callback(null, socket);
        }
      });
    };
    if (pauseMs === 0) attempt();
    else setTimeout(attempt, pauseMs).unref();
  };
}
