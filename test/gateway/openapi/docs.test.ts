import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../../helpers/gateway.ts';

test('the Swagger UI page loads everything it needs under its own policy', async (t) => {
  const { app } = await build(t);
  const page = await app.inject('/docs');
  assert.equal(page.statusCode, 200);
  const policy = page.headers['content-security-policy'] as string;
  assert.match(policy, /script-src 'self';/);
  assert.match(policy, /connect-src 'self'$/);
  assert.doesNotMatch(policy, /upgrade-insecure-requests/);

  // 'self' allows no inline script and no other origin: so there is none, and what is loaded is there.
  for (const [tag, attributes, content] of page.body.matchAll(/<script([^>]*)>([^<]*)<\/script>/g)) {
    assert.match(attributes as string, /src="\/docs\//, tag);
    assert.equal((content as string).trim(), '');
  }
  assert.doesNotMatch(page.body, /\son\w+=|javascript:/);
  const assets = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url as string);
  assert.ok(assets.length >= 5);
  for (const url of assets) {
    assert.match(url, /^\/docs\//);
    assert.equal((await app.inject(url)).statusCode, 200, url);
  }
});

test('the page asks for the document of this server, and gets it', async (t) => {
  const { app } = await build(t);
  const initializer = await app.inject('/docs/static/swagger-initializer.js');
  assert.match(initializer.body, /\/json/);
  const document = await app.inject('/docs/json');
  assert.deepEqual(document.json(), JSON.parse(JSON.stringify(app.swagger())));
  assert.equal((await app.inject('/docs/yaml')).statusCode, 200);
});

test('lets the page call PUBLIC_URL, and only that, when it is another origin', async (t) => {
  const { app } = await build(t, { env: { PUBLIC_URL: 'https://chat.example/base' } });
  assert.match((await app.inject('/docs')).headers['content-security-policy'] as string, /connect-src 'self' https:\/\/chat\.example$/);
});
