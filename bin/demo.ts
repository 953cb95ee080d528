import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyStore } from '../engine/store.ts';
import { PartnerKeys } from '../gateway/auth/partner-keys.ts';
import type { Clock } from '../shared/service/clock.ts';

/** What a program needs to talk to this server; `DATA_DIR/demo.json`. */
export interface Demo {
  gatewayUrl: string;
  docsUrl: string;
  wsUrl: string;
  partnerKey: string;
}

export const demoPath = (dataDir: string): string => join(dataDir, 'demo.json');

/** The partner key of the last start, if it is still in force; else a new one. */
export async function demoPartnerKey(dataDir: string, store: KeyStore, clock: Clock): Promise<string> {
  const keys = new PartnerKeys(store, clock);
  try {
    const { partnerKey } = JSON.parse(await readFile(demoPath(dataDir), 'utf8')) as Partial<Demo>;
    if (typeof partnerKey === 'string') {
      await keys.authenticate(partnerKey);
      return partnerKey;
    }
  } catch {
    // No file, not ours, or a key that was revoked: all of them call for a new one.
  }
  return (await keys.create('demo')).credential;
}

/** Written beside and renamed, so that a reader never sees half of it. It holds a secret: for its owner alone. */
export async function writeDemo(dataDir: string, demo: Demo): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = demoPath(dataDir);
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(demo, null, 2)}\n`, { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, path);
}

/** A first conversation to paste into a shell; README.md shows the same. It leaves no files behind. */
export function conversationCommands(gatewayUrl: string): string[] {
  return [
    `api() { curl -s -H "Authorization: Bearer $KEY" -H "X-On-Behalf-Of: $1" -H 'Content-Type: application/json' -X "$2" "${gatewayUrl}/v1$3" \${4:+-d "$4"}; echo; }`,
    `api ana POST /conversations '{"kind":"direct","memberIds":["bob"]}'`,
    String.raw`ID=$(api ana POST /conversations '{"kind":"direct","memberIds":["bob"]}' | sed 's/.*"id":"\(d-[^"]*\)".*/\1/')`,
    `api ana POST "/conversations/$ID/messages" '{"text":"Hello Bob"}'`,
    `api bob GET "/conversations/$ID/messages"`,
  ];
}

/** What a server that has just started tells its user. */
export function firstConversation({ gatewayUrl, docsUrl, wsUrl, partnerKey }: Demo, dataDir: string): string {
  const commands = [`KEY='${partnerKey}'`, ...conversationCommands(gatewayUrl)];
  return `
  REST        ${gatewayUrl}/v1
  Swagger UI  ${docsUrl}
  WebSocket   ${wsUrl}
  (also in ${demoPath(dataDir)})

  A first conversation, ready to paste into another terminal (bash):

${commands.map((line) => `    ${line}`).join('\n')}

  The same two, live over WebSocket, one line in each of two terminals:

    npm run chat -- ana bob
    npm run chat -- bob ana
`;
}
