import { readFile } from 'node:fs/promises';

/** What `npm start` writes to `data/demo.json`. */
interface Demo {
  gatewayUrl: string;
  wsUrl: string;
  partnerKey: string;
}

interface Session {
  accessToken: string;
  refreshToken: string;
}

/** Your backend's part: it holds the partner key, signs its users in, and hands each app only that user's tokens. */
export class Backend {
  readonly wsUrl: string;
  private readonly demo: Demo;

  private constructor(demo: Demo) {
    this.demo = demo;
    this.wsUrl = demo.wsUrl;
  }

  static async open(path = 'data/demo.json'): Promise<Backend> {
    try {
      return new Backend(JSON.parse(await readFile(path, 'utf8')) as Demo);
    } catch (cause) {
      throw new Error(`${path} cannot be read: run npm start first, or name its demo.json`, { cause });
    }
  }

  /** A token callback for ChatClient: signs the user in once, and refreshes when the client asks for it. */
  tokensOf(userId: string, deviceId: string): (request: { refresh: boolean }) => Promise<string> {
    let session: Session | undefined;
    return async ({ refresh }) => {
      if (session === undefined) session = await this.post<Session>('/v1/sessions', { userId, deviceId });
      else if (refresh) session = await this.post<Session>('/v1/sessions/refresh', { refreshToken: session.refreshToken });
      return session.accessToken;
    };
  }

  /** The direct conversation of two users; the same one whoever asks, and however often. */
  async directConversation(userId: string, otherId: string): Promise<string> {
    const body = { kind: 'direct', memberIds: [otherId] };
    return (await this.post<{ id: string }>('/v1/conversations', body, { 'x-on-behalf-of': userId })).id;
  }

  private async post<T>(path: string, body: object, headers: Record<string, string> = {}): Promise<T> {
    const response = await fetch(this.demo.gatewayUrl + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.demo.partnerKey}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }).catch((cause) => {
      throw new Error(`${this.demo.gatewayUrl} cannot be reached: is npm start running?`, { cause });
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
}
