import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FastifyBaseLogger, FastifyInstance, InjectOptions } from 'fastify';
import type { Engine } from '../../engine/engine.ts';
import { openEngine } from '../../engine/open-engine.ts';
import { buildGateway } from '../../gateway/app.ts';
import { GatewayConfig } from '../../gateway/config.ts';
import { buildMessaging } from '../../messaging/app.ts';
import { MessagingConfig } from '../../messaging/config.ts';
import type { Conversation } from '../../shared/conversations.ts';
import type { ErrorBody, ErrorCode } from '../../shared/errors.ts';
import type { SessionTokens } from '../../shared/http-schemas.ts';
import type { Scope } from '../../shared/scopes.ts';
import { type Clock, systemClock } from '../../shared/service/clock.ts';
import { loadConfig } from '../../shared/service/config.ts';
import { OpenApiCheck } from './openapi-check.ts';

/** An answer, parsed. */
export interface Answer {
  status: number;
  headers: Record<string, string | number | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects to be there
  body: any;
}

/** A gateway on the embedded engine with a real messaging service behind it. */
export interface TestGateway {
  app: FastifyInstance;
  engine: Engine;
  config: GatewayConfig;
  dataDir: string;
  /** Makes a request and checks the answer, whatever it is, against the OpenAPI document. */
  request(method: NonNullable<InjectOptions['method']>, path: string, options?: RequestOptions): Promise<Answer>;
  partnerKey(scopes?: readonly Scope[]): Promise<string>;
  signIn(userId: string, deviceId?: string): Promise<SessionTokens>;
  /** Takes the messaging service away. */
  stopMessaging(): Promise<void>;
  /** Makes requests as a signed-in user. */
  as(userId: string): Promise<Caller>;
}

export interface RequestOptions {
  body?: unknown;
  token?: string;
  headers?: Record<string, string>;
}
export type Caller = (
  method: NonNullable<InjectOptions['method']>,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>;

export interface BuildOptions {
  env?: Record<string, string>;
  clock?: Clock;
  /** Default: the gateway's. */
  messagingClock?: Clock;
  /** Writes the gateway's log. Default: silent. */
  log?: FastifyBaseLogger;
  /** Changes the engine before the gateway gets it. */
  engine?: (engine: Engine) => Engine;
}

/** Every gateway has the same document, and reading it takes longer than building one. */
let documentCheck: OpenApiCheck | undefined;

/** Builds a gateway and everything behind it; all of it is gone after the test. */
export async function build(t: TestContext, options: BuildOptions = {}): Promise<TestGateway> {
  const { env = {}, clock = systemClock, messagingClock = clock, engine: change, log } = options;
  const closers: (() => Promise<unknown>)[] = [];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const dataDir = await mkdtemp(join(tmpdir(), 'connect-chat-'));
  closers.push(() => rm(dataDir, { recursive: true, force: true }));
  const variables = {
    LOG_LEVEL: 'silent',
    SERVICE_TOKEN_SECRET: randomBytes(32).toString('hex'),
    REST_RATE_PER_MINUTE: '1000000',
    // A machine that runs many tests is late for reasons of its own.
    MAX_EVENT_LOOP_DELAY_MS: '0',
    ...env,
  };
  const messagingConfig = loadConfig(MessagingConfig, variables);
  const opened = await openEngine(messagingConfig, { dataDir, clock });
  closers.push(() => opened.close());
  const engine = change === undefined ? opened : change(opened);
  const messaging = await buildMessaging({ config: messagingConfig, engine, clock: messagingClock });
  let stopped: Promise<void> | undefined;
  const stopMessaging = (): Promise<void> => {
    stopped ??= messaging.close();
    return stopped;
  };
  closers.push(stopMessaging);
  await messaging.listen({ host: '127.0.0.1', port: 0 });
  const { port } = messaging.server.address() as AddressInfo;
  const config = loadConfig(GatewayConfig, { ...variables, MESSAGING_URL: `http://127.0.0.1:${port}` });
  const app = await buildGateway({ config, engine, clock, ...(log !== undefined && { log }) });
  closers.push(() => app.close());
  await app.ready();

  documentCheck ??= new OpenApiCheck(app.swagger());
  const check = documentCheck;
  const request: TestGateway['request'] = async (method, path, { body, token, headers } = {}) => {
    const response = await app.inject({
      method,
      url: path,
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
      ...(body !== undefined && { payload: body as object }),
    });
    const answer = {
      status: response.statusCode,
      headers: response.headers,
      body: response.body === '' ? undefined : JSON.parse(response.body),
    };
    check.answer(method, path, answer);
    return answer;
  };
  let signer: string | undefined;
  const gateway: TestGateway = {
    app,
    engine,
    config,
    dataDir,
    stopMessaging,
    request,
    partnerKey: async (scopes) => (await app.auth.partnerKeys.create('test', scopes)).credential,
    async signIn(userId, deviceId) {
      signer ??= await gateway.partnerKey(['sessions:write']);
      const { status, body } = await request('POST', '/v1/sessions', { token: signer, body: { userId, ...(deviceId && { deviceId }) } });
      assert.equal(status, 201);
      return body;
    },
    async as(userId) {
      const { accessToken } = await gateway.signIn(userId);
      return (method, path, body, headers) =>
        request(method, `/v1${path}`, {
          token: accessToken,
          ...(body !== undefined && { body }),
          ...(headers !== undefined && { headers }),
        });
    },
  };
  return gateway;
}

/** Asserts that an answer is the envelope of this error, and returns its body. */
export function assertError(answer: { status: number; body: unknown }, status: number, code: ErrorCode, message?: RegExp): ErrorBody {
  const { error } = (answer.body ?? {}) as { error?: ErrorBody };
  assert.ok(error, `no error envelope: ${answer.status} ${JSON.stringify(answer.body)}`);
  assert.deepEqual({ status: answer.status, code: error.code }, { status, code }, error.message);
  if (message !== undefined) assert.match(error.message, message);
  return error;
}

/** A group of these users, owned by the first. */
export async function newGroup(owner: Caller, ...memberIds: string[]): Promise<Conversation> {
  const { status, body } = await owner('POST', '/conversations', { kind: 'group', title: 'Plans', memberIds });
  assert.equal(status, 201);
  return body;
}
