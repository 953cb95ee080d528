import { randomBytes } from 'node:crypto';
import type { Target } from './server.ts';

/** The answer of `POST /v1/sessions`. */
export interface Tokens {
  sessionId: string;
  userId: string;
  accessToken: string;
  accessTokenExpiresAt: number;
  refreshToken: string;
}

/** A REST answer, whatever its status. */
export interface Answer {
  status: number;
  headers: Headers;
  body: { error?: { code: string } } & Record<string, unknown>;
}

/** A name nobody has used on this server. */
export function newName(name: string): string {
  return `${name}-${randomBytes(6).toString('hex')}`;
}

/** The REST side, as a partner system or as a user sees it. */
export class Rest {
  readonly target: Target;

  constructor(target: Target) {
    this.target = target;
  }

  async call(method: string, path: string, options: { token?: string; as?: string; body?: unknown } = {}): Promise<Answer> {
    const response = await fetch(this.target.gatewayUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${options.token ?? this.target.partnerKey}`,
        ...(options.as === undefined ? {} : { 'x-on-behalf-of': options.as }),
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    if (response.status === 429) {
      // A server that was started by others has their limits; waiting is what it asks for.
      const { error } = JSON.parse(text) as { error: { retryAfterMs?: number } };
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? 1000));
      return this.call(method, path, options);
    }
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
  }

  /** As `call`, but anything other than success is a failure of the test. */
  async expect<T = Record<string, unknown>>(
    method: string,
    path: string,
    options: { token?: string; as?: string; body?: unknown } = {},
  ): Promise<T> {
    const { status, body } = await this.call(method, path, options);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
    return body as T;
  }

  signIn(userId: string, deviceId = 'phone'): Promise<Tokens> {
    return this.expect<Tokens>('POST', '/v1/sessions', { body: { userId, deviceId } });
  }

  async direct(a: string, b: string): Promise<string> {
    return (await this.expect<{ id: string }>('POST', '/v1/conversations', { as: a, body: { kind: 'direct', memberIds: [b] } })).id;
  }

  async group(owner: string, ...memberIds: string[]): Promise<string> {
    return (
      await this.expect<{ id: string }>('POST', '/v1/conversations', {
        as: owner,
        body: { kind: 'group', title: 'Weekend plans', memberIds },
      })
    ).id;
  }

  async addMember(conversationId: string, as: string, userId: string): Promise<void> {
    await this.expect('POST', `/v1/conversations/${conversationId}/members`, { as, body: { members: [{ userId }] } });
  }

  async removeMember(conversationId: string, as: string, userId: string): Promise<void> {
    await this.expect('DELETE', `/v1/conversations/${conversationId}/members/${userId}`, { as });
  }

  async send(conversationId: string, as: string, text: string): Promise<number> {
    return (await this.expect<{ seq: number }>('POST', `/v1/conversations/${conversationId}/messages`, { as, body: { text } })).seq;
  }
}
