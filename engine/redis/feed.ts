import { ChatError } from '../../shared/errors.ts';
import type { Feed, FeedPage, FeedPointer, FeedPosition } from '../feed.ts';
import type { Caller } from './caller.ts';
import type { FeedKeys, Keys } from './keys.ts';

type FeedReply = [compared: 'ok' | 'trimmed' | 'reset' | 'ahead', term: string, last: number, before: number, pointers: string[]];

/** The feed in Redis: a list a partition. Its pointers are numbered by their place in the list and a count of those trimmed. */
export class RedisFeed implements Feed {
  readonly #caller: Caller;
  readonly #keys: Keys;

  constructor(caller: Caller, keys: Keys) {
    this.#caller = caller;
    this.#keys = keys;
  }

  get partitions(): number {
    return this.#keys.partitions;
  }

  async read(partition: number, after: FeedPosition | undefined, limit: number): Promise<FeedPage> {
    const keys = this.#keys.feed(partition);
    if (keys === undefined) throw new ChatError('CHAT_ERR_INTERNAL', `there is no partition ${partition}`);
    let reply = await this.#read(keys, after, limit);
    if (reply[0] === 'ahead' && after !== undefined) {
      await this.#caller.one(this.#caller.write(keys.slot, 'forkFeedIfRewound', [keys.feed, keys.feedMeta], [after.n]));
      reply = await this.#read(keys, after, limit);
    }
    const [compared, term, last, before, texts] = reply;
    const position = { term, n: before + texts.length };
    const page: FeedPage = { pointers: texts.map(toPointer), position, hasMore: position.n < last };
    if (compared !== 'ok') page.gap = compared === 'trimmed' ? 'trimmed' : 'reset';
    return page;
  }

  async #read({ slot, feed, feedMeta }: FeedKeys, after: FeedPosition | undefined, limit: number): Promise<FeedReply> {
    const args = after === undefined ? [0, '', limit] : [after.n, after.term, limit];
    return (await this.#caller.one(this.#caller.read(slot, 'readFeed', [feed, feedMeta], args))) as FeedReply;
  }
}

function toPointer(text: string): FeedPointer {
  const [conversationId = '', name = '', at = '', seq, epoch = ''] = text.split(' ');
  return { conversationId, epoch, seq: Number(seq), name, at: Number.parseInt(at, 36) };
}
