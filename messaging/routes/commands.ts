import type { FastifyInstance } from 'fastify';
import type { CommandRunner } from '../command-runner.ts';
import { internalRoute, type SchemaReferences } from './internal-route.ts';

const MAX_COMMANDS = 1000;

/** Only the envelope: the runner checks each command by itself, so that a bad one fails alone and not the batch. */
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
      'A result is given only when its event is durable and every member of a sleeping conversation has been told.',
    weight: (request) => request.commands.length,
    compilers: { validatorCompiler: () => checkEnvelope, serializerCompiler: () => JSON.stringify },
    handle: async ({ commands }) => ({ results: await options.runner.run(commands) }),
  });
}
