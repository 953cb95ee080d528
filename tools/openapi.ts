import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Parser } from '@asyncapi/parser';
import { openApiFiles } from './openapi-documents.ts';
import { referenceFiles } from './reference-files.ts';

/** `npm run openapi`: writes every file that is made from the code, and lints the API documents. Exits 1 when a linter objects. */

const ROOT = fileURLToPath(new URL('..', import.meta.url));

for (const [path, text] of [...referenceFiles(), ...(await openApiFiles())]) {
  await mkdir(dirname(join(ROOT, path)), { recursive: true });
  await writeFile(join(ROOT, path), text);
  console.log(`wrote ${path}`);
}

execFileSync('redocly', ['lint', 'openapi/gateway.json', 'openapi/messaging.json'], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
});

const { document, diagnostics } = await new Parser().parse(referenceFiles().get('openapi/gateway.asyncapi.json') as string);
for (const { message, path } of diagnostics) console.error(`openapi/gateway.asyncapi.json: ${path.join('.')}: ${message}`);
if (document === undefined || diagnostics.length > 0) process.exit(1);
console.log('openapi/gateway.asyncapi.json is valid AsyncAPI');
