import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ANSWER_WITHIN_HEADER, PARTS_TYPE } from '../../shared/internal.ts';
import type { CommandRunner } from '../command-runner.ts';
import { CommandParts } from '../http/command-parts.ts';
import { internalRoute, type SchemaReferences } from '../http/internal-route.ts';

const MAX_COMMANDS = 1000;
/** The share of the caller's time that an answer may take. The rest is for the network. */
const SHARE = 0.9;

/** Checks only the envelope. The runner checks each command by itself, so that a bad one fails alone and not the batch. */
function checkEnvelope(body: unknown): { value: unknown } | { error: Error } {
  const commands: unknown = (body as { commands?: unknown } | null)?.commands;
  if (Array.isArray(commands) && commands.length >= 1 && commands.length <= MAX_COMMANDS) return { value: body };
  return { error: new Error(`body/commands must be a list of 1 to ${MAX_COMMANDS} commands`) };
}

export default async function commandsRoute(app: FastifyInstance, options: { schemas: SchemaReferences; runner: CommandRunner }) {
  internalRoute(app, options.schemas, 'commands', {
    tag: 'commands',
    summary: 'Carry out a batch of commands',
    description:
      'Each command is atomic on its own and has one result, in order. Effects on one conversation happen in the order of the batch. ' +
      'A result is given only when its event is durable and every member of an inactive conversation has been told. ' +
      `To a caller that accepts \`${PARTS_TYPE}\`, results that are ready before others are given before them, as lines of JSON: ` +
      '`{"results":[[place, result], …]}`. ' +
      `A caller that says with \`${ANSWER_WITHIN_HEADER}\` how many milliseconds it waits gets CHAT_ERR_TIMEOUT for what is not done shortly before.`,
    weight: 'itself',
    compilers: { validatorCompiler: () => checkEnvelope, serializerCompiler: () => JSON.stringify },
    async handle({ commands }, { request, reply }) {
      const withinMs = patience(request);
      if (!request.headers.accept?.includes(PARTS_TYPE)) {
        return { results: await app.limitConcurrency(commands.length, () => options.runner.run(commands, { withinMs })) };
      }
      const parts = new CommandParts();
      const each = parts.add.bind(parts);
      const whole = app
        .limitConcurrency(commands.length, () => options.runner.run(commands, { each, withinMs }))
        .finally(() => parts.end());
      const divided = parts.divided.then((stream) => {
        reply.type(PARTS_TYPE);
        return stream;
      });
      return Promise.race([divided, whole.then((results) => ({ results }))]);
    },
  });
}

/** How long an answer to this call may take, ms; undefined when the caller does not say. */
function patience(request: FastifyRequest): number | undefined {
  const waits = Number(request.headers[ANSWER_WITHIN_HEADER]);
  return waits > 0 ? waits * SHARE : undefined;
}
