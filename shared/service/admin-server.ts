import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What an admin server shows. */
export interface AdminServerOptions {
  host: string;
  /** 0 picks a free port. */
  port: number;
  /** Why this process should get no work now, one line a reason; empty when it can serve. A rejection counts as a reason. */
  readiness: () => Promise<string[]>;
  /**
   * Whether the store takes writes now. Without writes a process can serve reads, so this is shown beside its readiness, not as a part of
   * it.
   */
  takesWrites?: () => Promise<boolean>;
  /** Metrics of the process; prom-client's `Registry` fits. */
  metrics: { readonly contentType: string; metrics(): Promise<string> };
}

/** A running admin server. */
export interface AdminServer {
  /** The address it listens on, without a trailing slash. */
  readonly url: string;
  /** Stops listening and drops idle connections. */
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 8192;
const REQUEST_TIMEOUT_MS = 10_000;
const SWEEP_MS = 20;

/**
 * `/healthz` (the process is alive), `/readyz` (200 and whether the store takes writes, or 503 with the reasons, as JSON) and `/metrics` over plain HTTP/1.1, on a port
 * of their own that only the platform reaches. Resolves when it listens.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    const path = request.url?.split('?', 1)[0];
    request.resume();
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      answerJson(response, 405, { error: 'only GET and HEAD are answered here' });
    } else if (path === '/healthz') answerJson(response, 200, { status: 'ok' });
    else if (path === '/readyz') void answerReadiness(response, options);
    else if (path === '/metrics') void answerMetrics(response, options.metrics);
    else answerJson(response, 404, { error: 'try /healthz, /readyz or /metrics' });
  });
  await listen(server, options.port, options.host);
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        // A connection with a check under way becomes idle only after it. A balancer that goes on asking would keep it open for good.
        const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
        server.close(() => {
          clearInterval(sweep);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function answerReadiness(response: ServerResponse, { readiness, takesWrites }: AdminServerOptions): Promise<void> {
  const [reasons, writes] = await Promise.all([
    readiness().catch((error: unknown) => [error instanceof Error ? error.message : String(error)]),
    takesWrites?.(),
  ]);
  if (reasons.length === 0) answerJson(response, 200, { status: 'ready', ...(writes === undefined ? {} : { writes }) });
  else answerJson(response, 503, { status: 'not ready', reasons });
}

async function answerMetrics(response: ServerResponse, metrics: AdminServerOptions['metrics']): Promise<void> {
  try {
    const text = await metrics.metrics();
    response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }).end(text);
  } catch (error) {
    answerJson(response, 500, { error: error instanceof Error ? error.message : String(error) });
  }
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }).end(JSON.stringify(body));
}
