import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const files = ['terraform', 'test/terraform', 'tools']
  .flatMap((directory) => readdirSync(join(root, directory), { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  .filter((path) => !path.includes('.terraform'));
const configuration = files.filter((path) => path.endsWith('.tf'));

const blocks = (kind: string): { path: string; name: string; body: string }[] =>
  configuration.flatMap((path) =>
    [...read(path).matchAll(new RegExp(`^${kind} "([^"]+)" \\{\\n(.*?)^\\}`, 'gms'))].map(([, name = '', body = '']) => ({
      path,
      name,
      body,
    })),
  );

test('every variable is typed and described, and every output described', () => {
  const variables = blocks('variable');
  assert.ok(variables.length > 50);
  for (const { path, name, body } of variables) {
    assert.match(body, /^ {2}type\s+= /m, `${path}: variable ${name} has no type`);
    assert.match(body, /^ {2}description = ".{10,}"$/m, `${path}: variable ${name} has no description`);
  }
  for (const { path, name, body } of blocks('output')) {
    assert.match(body, /^ {2}description = ".{10,}"$/m, `${path}: output ${name} has no description`);
  }
});

test('every validation that a module can refuse with has a test that provokes it', () => {
  for (const { path, name, body } of blocks('variable')) {
    const [folder = ''] = /^.*\/(?=[^/]+$)/.exec(path) ?? [];
    const tests = files
      .filter((file) => file.startsWith(`${folder}tests/`))
      .map(read)
      .join('\n');
    if (body.includes('validation {')) {
      const provoked = new RegExp(`expect_failures = \\[[^\\]]*\\bvar\\.${name}\\b`).test(tests);
      assert.ok(provoked, `${path}: nothing refuses a bad ${name}`);
    }
  }
});

test('environments differ in their sizes and in where their state is, and in nothing else', () => {
  for (const file of ['main.tf', 'variables.tf', 'outputs.tf', 'terraform.tfvars.example']) {
    assert.equal(read(`terraform/environments/dev/${file}`), read(`terraform/environments/production/${file}`), file);
  }
  const names = (environment: string): string[] =>
    [...read(`terraform/environments/${environment}/sizes.tf`).matchAll(/^\s+(\w+)\s+=/gm)].map(([, name = '']) => name);
  assert.deepEqual(names('dev'), names('production'));
});

test('state is locked and encrypted, and each root keeps its own', () => {
  const roots = ['environments/dev/backend.tf', 'environments/production/backend.tf', 'bootstrap/backend.tf.example'];
  const keys = roots.map((path) => {
    const backend = read(`terraform/${path}`);
    assert.match(backend, /backend "s3" \{/, path);
    assert.match(backend, /^\s+encrypt\s+= true$/m, path);
    assert.match(backend, /^\s+use_lockfile\s+= true$/m, path);
    return /^\s+key\s+= "(.+)"$/m.exec(backend)?.[1];
  });
  assert.equal(new Set(keys).size, roots.length);
});

test('autoscaling owns the count of tasks', () => {
  const service = read('terraform/modules/service/main.tf');
  const [, ignored] = /resource "aws_ecs_service".*?ignore_changes = \[([^\]]*)\]/s.exec(service) ?? [];
  assert.equal(ignored, 'desired_count');
});

test('the HTTPS listener waits until the certificate is valid', () => {
  const edge = read('terraform/modules/edge/main.tf');
  const [, certificate] = /resource "aws_lb_listener" "https".*?certificate_arn\s+= (\S+)/s.exec(edge) ?? [];
  assert.equal(certificate, 'aws_acm_certificate_validation.this.certificate_arn');
});

test('no resource is counted over a list', () => {
  for (const path of configuration) {
    for (const [line] of read(path).matchAll(/^\s+count\s+=.*$/gm)) {
      assert.match(line, /\? [01] : [01]$/, `${path}: ${line.trim()} moves resources when the list changes; use for_each`);
    }
  }
});

test('every module and root asks for the same terraform and provider', () => {
  const required = configuration.filter((path) => /required_version/.test(read(path)));
  const folders = new Set(configuration.map((path) => path.replace(/\/[^/]+$/, '')));
  assert.equal(required.length, folders.size);
  for (const path of required) {
    assert.match(read(path), /required_version = ">= 1\.11"/, path);
    assert.match(read(path), /source {2}= "hashicorp\/aws"\n\s+version = "~> 5\.100"/, path);
  }
});

test('nothing names a path of one machine or leaves work for later', () => {
  const later = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X'.repeat(3)].join('|'));
  for (const path of files) {
    const text = read(path);
    assert.doesNotMatch(text, /(^|["'\s=(])\/(opt|root|work|home|Users)\//m, path);
    assert.doesNotMatch(text, later, path);
  }
});
