import { ACTIVE_MS } from '../../engine/engine.ts';
import type { CommandOf } from '../../shared/commands.ts';
import { answer } from './model-reads.ts';
import {
  type Answer,
  append,
  duplicate,
  firstMentions,
  letIn,
  type Member,
  publish,
  Refusal,
  type Room,
  type State,
  unchanged,
} from './model-room.ts';
import { addMembers, changeRole, edit, moveReceipt, react, remove, removeMember, send } from './model-rules.ts';
import type { Activation, Limits, Question, Request, Result, Subject } from './subject.ts';

/** What a store must do, as plainly as it can be said. Written from the comments of the port, not from an engine. */
export class Model implements Subject {
  readonly name = 'the model';
  readonly state: State = { rooms: new Map(), recorded: new Map() };
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  async begin(): Promise<void> {}
  async reopen(): Promise<void> {}
  setClock(): void {}

  async run(requests: readonly Request[]): Promise<Result[]> {
    return requests.map((request): Result => {
      try {
        return { ok: true, conversationId: request.command.conversationId, ...this.#carryOut(request) };
      } catch (error) {
        if (error instanceof Refusal) return { ok: false, code: `CHAT_ERR_${error.message}` };
        throw error;
      }
    });
  }

  async recordActivation(conversationId: string, userIds: readonly string[], until: number): Promise<void> {
    for (const userId of userIds) {
      const key = `${userId} ${conversationId}`;
      this.state.recorded.set(key, Math.max(until, this.state.recorded.get(key) ?? 0));
    }
  }

  async confirmActivation(conversationId: string, { epoch, until, listedThrough }: Activation): Promise<number> {
    const room = this.state.rooms.get(conversationId);
    if (room === undefined || room.epoch !== epoch) return 0;
    const wasInactive = until - ACTIVE_MS >= room.activeUntil;
    if (wasInactive) room.activeFrom = room.notifyFrom || room.log.length + 1;
    room.activeUntil = Math.max(room.activeUntil, until);
    if (room.notifyFrom > 0 && room.addedSeq > listedThrough) return room.addedSeq;
    room.notifyFrom = 0;
    return 0;
  }

  async ask(question: Question): Promise<unknown> {
    return answer(this.state, question);
  }

  async heard(conversationId: string): Promise<unknown[]> {
    return this.state.rooms.get(conversationId)?.published.splice(0) ?? [];
  }

  async fed(conversationId: string): Promise<unknown[]> {
    return this.state.rooms.get(conversationId)?.fed.splice(0) ?? [];
  }

  #carryOut(request: Request): Answer {
    const { command } = request;
    const room = this.state.rooms.get(command.conversationId);
    const actor = room?.members.find((member) => member.userId === command.actorId);
    if (command.op === 'conversation.create') return this.#create(command, request, room, actor);
    if (room === undefined) throw new Refusal('CONVERSATION_NOT_FOUND');
    if (actor === undefined) throw new Refusal('NOT_MEMBER');
    switch (command.op) {
      case 'message.send':
        return send(room, actor, command, request);
      case 'message.edit':
        return edit(room, command, request);
      case 'message.delete':
        return remove(room, actor, command, request);
      case 'reaction.add':
      case 'reaction.remove':
        return react(room, command, request);
      case 'receipt.read':
      case 'receipt.delivered':
        return moveReceipt(this.#limits, room, actor, command, request);
      case 'typing':
        return publish(room, request, { type: 'typing', userId: actor.userId, active: command.active });
    }
    if (room.kind === 'direct') throw new Refusal('DIRECT_FIXED');
    switch (command.op) {
      case 'conversation.update':
        if (actor.role === 'member') throw new Refusal('FORBIDDEN');
        if (room.title === command.title) return unchanged(room, request);
        room.title = command.title;
        return append(room, request, 'conversation.updated', { title: command.title });
      case 'member.add':
        return addMembers(this.#limits, room, actor, command, request);
      case 'member.remove':
        return removeMember(room, actor, command, request);
      case 'member.role':
        return changeRole(room, actor, command, request);
    }
  }

  #create(command: CommandOf<'conversation.create'>, request: Request, existing: Room | undefined, actor: Member | undefined): Answer {
    if (existing !== undefined) {
      if (actor === undefined) throw new Refusal('IDEMPOTENCY_MISMATCH');
      return duplicate(existing, request, 1);
    }
    const members = firstMentions(command.members);
    if (members.length > this.#limits.groupMaxMembers) throw new Refusal('LIMIT');
    const { conversationId: id, kind, title } = command;
    const { at } = request;
    const room: Room = {
      ...{ id, epoch: `the epoch of ${id}`, kind, title, createdAt: at, updatedAt: at, members: [], log: [] },
      ...{ activeUntil: 0, activeFrom: 0, notifyFrom: 0, addedSeq: 0, sent: [], published: [], fed: [] },
    };
    this.state.rooms.set(id, room);
    return letIn(room, request, members);
  }
}
