import { JOIN_EVENTS, SYNC_MARGIN_MS } from '../../engine/engine.ts';
import type { Cursor } from '../../shared/primitives.ts';
import { type Entry, type Member, type Room, type State, shown } from './model-room.ts';
import type { Question } from './subject.ts';

/** What the model answers to a read. */
export function answer(state: State, question: Question): unknown {
  switch (question.ask) {
    case 'conversation': {
      const found = find(state, question);
      return 'error' in found ? found : view(found.room, found.member);
    }
    case 'conversations': {
      const { userId, after = '', limit } = question;
      const all = roomsOf(state, userId).filter((room) => room.id > after);
      return {
        conversations: all.slice(0, limit).map((room) => view(room, memberOf(room, userId) as Member)),
        hasMore: all.length > limit,
      };
    }
    case 'members': {
      const { conversationId, after = '', limit } = question;
      const all = byUser(state.rooms.get(conversationId)).filter(({ userId }) => userId > after);
      return {
        members: all.slice(0, limit).map(({ userId, role, joinedAt }) => ({ userId, role, joinedAt })),
        hasMore: all.length > limit,
      };
    }
    case 'reads':
      return byUser(state.rooms.get(question.conversationId)).map(({ userId, readSeq, deliveredSeq }) => ({
        userId,
        readSeq,
        deliveredSeq,
      }));
    case 'log': {
      const room = state.rooms.get(question.conversationId);
      if (room === undefined) return undefined;
      const { after, limit, epoch } = question;
      const reset = epoch !== undefined && !continues(room, after, epoch);
      return { ...place(room), events: reset ? [] : events(room, after, limit), ...(reset ? { reset } : {}) };
    }
    case 'history':
      return history(state, question);
    case 'sync':
      return sync(state, question);
    case 'joins':
      return question.joins.flatMap(({ conversationId, after, epoch, userIds }) => {
        const room = state.rooms.get(conversationId);
        if (room === undefined) return [];
        const memberIds = userIds.filter((userId) => memberOf(room, userId) !== undefined).sort();
        const reset = !continues(room, after, epoch);
        const read = reset || memberIds.length === 0 ? [] : events(room, after, JOIN_EVENTS);
        return [
          {
            conversationId,
            memberIds,
            ...place(room),
            activeFrom: activeFrom(room, question.now),
            events: read,
            ...(reset ? { reset } : {}),
          },
        ];
      });
    case 'heads':
      return question.conversationIds.flatMap((conversationId) => {
        const room = state.rooms.get(conversationId);
        if (room === undefined) return [];
        const activating = room.notifyFrom > 0 ? { activating: true } : {};
        return [{ conversationId, ...place(room), activeUntil: room.activeUntil, ...activating }];
      });
    case 'active': {
      const { userId, now } = question;
      return roomsOf(state, userId)
        .filter((room) => recorded(state, userId, room) > now)
        .map((room) => ({ conversationId: room.id, from: activeFrom(room, now), until: recorded(state, userId, room), ...place(room) }));
    }
    case 'acquainted': {
      const known = new Set(roomsOf(state, question.userId).flatMap((room) => room.members.map(({ userId }) => userId)));
      return question.otherIds.filter((userId) => known.has(userId)).sort();
    }
  }
}

function history(state: State, question: Extract<Question, { ask: 'history' }>): unknown {
  const found = find(state, question);
  if ('error' in found) return found;
  const { room } = found;
  const { before, after, limit, messagesOnly } = question;
  const wanted = room.log.filter(({ event }) => !messagesOnly || event === 'message.created');
  const all =
    after === undefined
      ? wanted.filter(({ seq }) => before === undefined || seq < before).reverse()
      : wanted.filter(({ seq }) => seq > after);
  return { ...place(room), events: all.slice(0, limit).map((entry) => shown(room, entry)), hasMore: all.length > limit };
}

function sync(state: State, { userId, cursors, since, limit, now }: Extract<Question, { ask: 'sync' }>): unknown {
  const isActive = (room: Room) => Math.max(room.activeUntil, recorded(state, userId, room)) > now || room.notifyFrom > 0;
  const isRecent = (room: Room) => since === undefined || room.updatedAt >= since - SYNC_MARGIN_MS;
  const own = roomsOf(state, userId);
  const ids = new Set([...Object.keys(cursors), ...own.filter((room) => isActive(room) || isRecent(room)).map(({ id }) => id)]);
  return [...ids].sort().flatMap((conversationId): object[] => {
    const room = own.find(({ id }) => id === conversationId);
    if (room === undefined) return [{ conversationId, status: 'notMember', events: [], head: 0 }];
    const cursor = cursors[conversationId];
    const status = cursor === undefined ? 'events' : worth(room, cursor, limit);
    const { head } = place(room);
    if (status === 'events' && cursor?.seq === head && !isActive(room)) return [];
    const read = cursor !== undefined && status === 'events' ? events(room, cursor.seq, limit) : [];
    const until = Math.max(room.activeUntil, recorded(state, userId, room), now);
    const conversation = view(room, memberOf(room, userId) as Member);
    return [{ conversationId, status, conversation, events: read, ...place(room), ...(isActive(room) ? { activeUntil: until } : {}) }];
  });
}

function worth(room: Room, { seq, epoch }: Cursor, limit: number): string {
  if (!continues(room, seq, epoch ?? room.epoch)) return 'reset';
  return room.log.length - seq > limit ? 'truncated' : 'events';
}

/** Whether the log goes on from a position. */
function continues(room: Room, seq: number, epoch: string): boolean {
  return epoch === room.epoch && seq <= room.log.length;
}

function place(room: Room) {
  return { head: room.log.length, epoch: room.epoch };
}

function events(room: Room, after: number, limit: number): object[] {
  return room.log.slice(after, after + limit).map((entry) => shown(room, entry));
}

function activeFrom(room: Room, now: number): number {
  return (room.activeUntil > now ? room.activeFrom : room.notifyFrom) || room.log.length + 1;
}

function recorded(state: State, userId: string, room: Room): number {
  return state.recorded.get(`${userId} ${room.id}`) ?? 0;
}

function memberOf(room: Room, userId: string): Member | undefined {
  return room.members.find((member) => member.userId === userId);
}

function byUser(room: Room | undefined): Member[] {
  return [...(room?.members ?? [])].sort((a, b) => (a.userId < b.userId ? -1 : 1));
}

/** The conversations that a user is a member of, in order of id. */
function roomsOf(state: State, userId: string): Room[] {
  return [...state.rooms.values()].filter((room) => memberOf(room, userId) !== undefined).sort((a, b) => (a.id < b.id ? -1 : 1));
}

function find(state: State, { userId, conversationId }: { userId: string; conversationId: string }) {
  const room = state.rooms.get(conversationId);
  if (room === undefined) return { error: 'CHAT_ERR_CONVERSATION_NOT_FOUND' };
  const member = memberOf(room, userId);
  return member === undefined ? { error: 'CHAT_ERR_NOT_MEMBER' } : { room, member };
}

const isMessage = ({ event }: Entry) => event === 'message.created';

/** A conversation as its member sees it. */
function view(room: Room, { userId, role, readSeq }: Member): object {
  const peer = room.kind === 'direct' ? room.members.find((member) => member.userId !== userId) : undefined;
  return {
    id: room.id,
    kind: room.kind,
    ...(room.title === undefined ? {} : { title: room.title }),
    ...(peer === undefined ? {} : { peerId: peer.userId }),
    createdAt: room.createdAt,
    updatedAt: room.updatedAt,
    memberCount: room.members.length,
    role,
    ...place(room),
    readSeq,
    unread: room.log.filter((entry) => isMessage(entry) && entry.seq > readSeq).length,
  };
}
