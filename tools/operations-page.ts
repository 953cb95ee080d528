import { OPERATIONS } from '../shared/operations/index.ts';
import type { Operation, Retry } from '../shared/operations/operation.ts';

const AGAIN: Readonly<Record<Retry, string>> = {
  keyed: 'answers the first result',
  forward: 'changes nothing',
  reversible: 'may undo what came between',
};

/** `docs/reference/operations.md`. */
export function operationsPage(generated: string): string {
  return `# Operations

${generated} Source: \`shared/operations/\`.

Everything that can be done to a conversation. An operation is a WebSocket frame of its name, a REST route, or both. What it does is written into the log
as events, or only told to those who are connected.

| operation | does | WebSocket | REST, below \`/v1\` | events | a second time |
|---|---|---|---|---|---|
${Object.values<Operation>(OPERATIONS).map(row).join('\n')}

An operation whose second time may undo something is never sent again by the servers themselves when its outcome is unknown.

## Input

Beside the conversation and who acts. Names with \`?\` may be left out.

| operation | fields | example |
|---|---|---|
${Object.values<Operation>(OPERATIONS).map(inputRow).join('\n')}

## Errors

Beside those that any call can meet: bad input, no valid token, a rate or a limit of work exceeded, a part of the system that cannot be reached. All codes:
[errors.md](errors.md).

| operation | errors of its own |
|---|---|
${Object.values<Operation>(OPERATIONS).map(errorRow).join('\n')}
`;
}

function row({ name, summary, frame, rest, events, told, retry }: Operation): string {
  const written = events.map((event) => `\`${event.name}\``).join(', ');
  const effect = told === undefined ? written : `none; told by \`${told}\` frames`;
  const route = rest === undefined ? '' : `\`${rest.method} ${rest.path.replaceAll(/:(\w+)/g, '{$1}')}\``;
  return `| \`${name}\` | ${summary} | ${frame === undefined ? 'no' : 'yes'} | ${route} | ${effect} | ${AGAIN[retry]} |`;
}

function inputRow({ name, input, example }: Operation): string {
  const fields = Object.entries(input).map(([field, schema]) => `\`${field}${'~optional' in schema ? '?' : ''}\``);
  return `| \`${name}\` | ${fields.join(', ')} | \`${JSON.stringify(example)}\` |`;
}

function errorRow({ name, errors }: Operation): string {
  return `| \`${name}\` | ${errors.map((code) => `\`${code}\``).join(', ')} |`;
}
