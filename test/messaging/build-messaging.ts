import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import type { TestContext } from 'node:test';
import type { Engine } from '../../engine/engine.ts';
import { buildMessaging, type MessagingApp } from '../../messaging/app.ts';
import { MessagingConfig } from '../../messaging/config.ts';
import { loadConfig } from '../../shared/service/config.ts';
import { ServiceTokenSigner } from '../../shared/service/service-token.ts';
import { openEmbedded } from '../helpers/engine.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

export const SECRET = 'a service token secret of some length';

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of many shapes
  body: any;
}

export interface Built {
  app: MessagingApp;
  engine: Engine;
  clock: ManualClock;
  url: string;
  session: ClientHttp2Session;
  /** Calls with a good service token. */
  post(call: string, body: unknown): Promise<Reply>;
  request(headers: Record<string, string>, body?: string): Promise<Reply>;
}

interface Overrides {
  config?: Partial<MessagingConfig>;
  /** Changes the engine, for failures it would not show by itself. */
  wrap?: (engine: Engine) => Engine;
}

/** A listening messaging service on a fresh engine, and one connection to it; all of it closes with the test. */
export async function build(t: TestContext, { config, wrap = (engine) => engine }: Overrides = {}): Promise<Built> {
  const clock = new ManualClock();
  const engine = await openEmbedded(t, { clock });
  const app = await buildMessaging({
    config: { ...loadConfig(MessagingConfig, { SERVICE_TOKEN_SECRET: SECRET, LOG_LEVEL: 'silent' }), ...config },
    engine: wrap(engine),
    clock,
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const session = connect(url);
  await once(session, 'connect');
  t.after(async () => {
    session.destroy();
    await app.close();
  });
  const signer = new ServiceTokenSigner({ secret: SECRET, issuer: 'test', clock });
  const built: Built = {
    app,
    engine,
    clock,
    url,
    session,
    request: (headers, body) => request(session, headers, body),
    post: (call, body) =>
      request(
        session,
        {
          ':method': 'POST',
          ':path': `/internal/v1/${call}`,
          authorization: `Bearer ${signer.current()}`,
          'content-type': 'application/json',
        },
        typeof body === 'string' ? body : JSON.stringify(body),
      ),
  };
  return built;
}

export async function request(session: ClientHttp2Session, headers: Record<string, string>, body?: string): Promise<Reply> {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const [answered] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }];
  stream.setEncoding('utf8');
  let text = '';
  for await (const chunk of stream) text += chunk;
  return { status: answered[':status'], headers: answered, body: text === '' ? undefined : JSON.parse(text) };
}
