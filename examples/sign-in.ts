import { readFile } from 'node:fs/promises';
import { SignedOutError } from '../client/index.ts';

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

/** A mistake of the caller is more likely in an example than one of the code: a sentence, no stack. */
export function endWithOneLine(error: Error): never {
  console.error(error.message);
  process.exit(1);
}

/** The server knows this key or token no more, or does not allow what was asked: asking again will not help. */
class Refused extends Error {}

/** Your backend's part: it holds the partner key, signs its users in, and hands each app only that user's tokens. */
export class Backend {
  readonly wsUrl: string;
  private readonly demo: Demo;
  private readonly path: string;

  private constructor(demo: Demo, path: string) {
    this.demo = demo;
    this.path = path;
    this.wsUrl = demo.wsUrl;
  }

  static async open(path = 'data/demo.json'): Promise<Backend> {
    try {
      return new Backend(JSON.parse(await readFile(path, 'utf8')) as Demo, path);
    } catch (cause) {
      throw new Error(`${path} cannot be read: run npm start first, or name its demo.json`, { cause });
    }
  }

  /** A token callback for ChatClient: signs the user in once, and refreshes when the client asks for it. */
  tokensOf(userId: string, deviceId: string): (request: { refresh: boolean }) => Promise<string> {
    let session: Session | undefined;
    return async ({ refresh }) => {
      try {
        if (session === undefined) session = await this.post<Session>('/v1/sessions', { userId, deviceId });
        else if (refresh) session = await this.post<Session>('/v1/sessions/refresh', { refreshToken: session.refreshToken });
        return session.accessToken;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        console.error(`${userId} is signed out: ${error.message}`);
        throw new SignedOutError(error.message);
      }
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
    if (response.ok) return (await response.json()) as T;
    const { error } = (await response.json().catch(() => ({}))) as { error?: { code: string; message: string } };
    const what = `POST ${path} was answered ${response.status}${error === undefined ? '' : ` ${error.code}: ${error.message}`}`;
    if (response.status !== 401 && response.status !== 403) throw new Error(what);
    throw new Refused(path === '/v1/sessions/refresh' ? what : `${what} (the key is from ${this.path}: npm start writes one that is good)`);
  }
}
