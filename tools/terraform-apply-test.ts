// npm run test:terraform:apply: applies bootstrap and production to an AWS emulator on loopback and looks at what later plans
// would do. Flags: --destroy takes production down again (a MemoryDB delete waits minutes), --verbose prints what Terraform says.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Finished, findMirror, missing, openWorkspace, root, run, terraformVersion } from './terraform-workspace.ts';

const flags = new Set(process.argv.slice(2));
const unknown = [...flags].filter((flag) => !['--destroy', '--verbose'].includes(flag));
if (unknown.length > 0) {
  console.error(`unknown flag ${unknown.join(', ')}; known: --destroy, --verbose`);
  process.exit(2);
}

const account = '123456789012';
// The emulator's largest region: zones come and go in this test.
const region = 'us-east-1';
const digest = (digit: string): string => `${account}.dkr.ecr.${region}.amazonaws.com/connect-chat@sha256:${digit.repeat(64)}`;

/** The parts of `terraform show -json` that are read here. */
interface Change {
  address: string;
  type: string;
  change: { actions: string[] };
}
interface Resource {
  address: string;
  type: string;
  index?: string | number;
  values: Partial<Values>;
}
/** The attributes that are looked at, of whatever type has them. */
interface Values {
  id: string;
  cidr_ipv4: string;
  cidr_ipv6: string;
  container_definitions: string;
  enable_deletion_protection: boolean;
  from_port: number;
  internal: boolean;
  ip_protocol: string;
  kms_key_id: string;
  load_balancer_type: string;
  network_configuration: { assign_public_ip: boolean; subnets: string[] }[];
  referenced_security_group_id: string;
  retention_in_days: number;
  secret_string: string;
  security_group_id: string;
  subnets: string[];
  tags_all: Record<string, string>;
  to_port: number;
}
interface Module {
  resources?: Resource[];
  child_modules?: Module[];
}

let passed = 0;
let failed = 0;
function check(name: string, ok: boolean, detail = ''): void {
  if (ok) passed++;
  else failed++;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name}${!ok && detail ? `\n${detail.trimEnd().slice(-4000)}` : ''}`);
}

if ((await terraformVersion()) === undefined) {
  missing('terraform 1.11 or newer is not on the PATH.', 'Install it from https://developer.hashicorp.com/terraform/install.');
  console.log('0 passed, 0 failed');
  process.exit(0);
}
const moto = await run('python3', ['-c', 'import boto3, moto.server, importlib.metadata as m; print(m.version("moto"))']);
if (moto.code !== 0) {
  missing(
    "python3 with moto's server, the AWS emulator of this test, is not here.",
    "Get it with: python3 -m pip install 'moto[server]==5.2.1'",
  );
  console.log('0 passed, 0 failed');
  process.exit(0);
}

const port = await freePort();
const workspace = openWorkspace(findMirror());
const emulator = spawn('python3', [join(root, 'test/terraform/aws_emulator.py'), 'serve', String(port)], {
  stdio: 'ignore',
  env: workspace.env,
});

// Only the endpoint tells the emulator from AWS: the roots are applied as they are, backend and provider included.
const aws: NodeJS.ProcessEnv = {
  AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: region,
  AWS_DEFAULT_REGION: region,
  AWS_MAX_ATTEMPTS: '2',
  NO_PROXY: '127.0.0.1',
  no_proxy: '127.0.0.1',
};
const folder = (name: string): string => join(workspace.directory, 'terraform', name);
const production = folder('environments/production');

function stop(): void {
  emulator.kill();
  workspace.remove();
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop();
    process.exit(130);
  });
}

try {
  await answering();
  console.log(`emulator: moto ${moto.stdout.trim()} with additions, on loopback port ${port}`);
  await scenario();
} catch (error) {
  check('the scenario runs to its end', false, String(error));
} finally {
  stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

async function scenario(): Promise<void> {
  await call('route53', 'create_hosted_zone', { Name: 'example.com.', CallerReference: 'test' });

  const bootstrap = folder('bootstrap');
  await terraform(bootstrap, ['init']);
  await apply(bootstrap, 'bootstrap is applied', [
    `-var=account_id=${account}`,
    `-var=region=${region}`,
    '-var=environments=["dev","production"]',
  ]);
  const outputs = JSON.parse((await terraform(bootstrap, ['output', '-json'])).stdout) as { backend_config: { value: string } };

  for (const name of ['dev', 'production']) {
    writeFileSync(join(folder(`environments/${name}`), 'backend.hcl'), outputs.backend_config.value);
    configure(name, { a: 0, b: 1, c: 2 });
    await terraform(folder(`environments/${name}`), ['init', '-backend-config=backend.hcl']);
  }

  const unsigned = await terraform(production, ['plan'], false);
  check(
    'a plan is refused while the signing keys have no value',
    unsigned.code === 1 && unsigned.sentence.includes('has no value'),
    unsigned.output,
  );
  for (const name of ['dev', 'production']) {
    await call('secretsmanager', 'put_secret_value', { SecretId: `connect-${name}/jwt-signing-keys`, SecretString: '{"keys":[]}' });
  }

  await apply(production, 'production is applied, state in the bootstrap bucket');
  await nothingToDo('a second plan has nothing to do');
  await facts();
  await lock();
  await autoscaler();
  await imageBump();
  await tampering();
  await zoneAdded();
  await zoneRemoved();
  await rotation();

  const dev = await terraform(folder('environments/dev'), ['plan', '-detailed-exitcode'], false);
  check('dev plans beside production, in a state of its own', dev.code === 2 && / 0 to change, 0 to destroy/.test(dev.output), dev.output);

  if (flags.has('--destroy')) await destroy();
}

async function facts(): Promise<void> {
  const shown = JSON.parse((await terraform(production, ['show', '-json'])).stdout) as { values: { root_module: Module } };
  const all: Resource[] = [];
  const walk = (module: Module): void => {
    all.push(...(module.resources ?? []));
    module.child_modules?.forEach(walk);
  };
  walk(shown.values.root_module);
  const of = (type: string): Resource[] => all.filter((resource) => resource.type === type);
  console.log(`       ${all.filter((resource) => !resource.address.includes('.data.')).length} resources stand`);

  const privateIds = of('aws_subnet')
    .filter((subnet) => subnet.address.includes('.private['))
    .map((subnet) => subnet.values.id ?? '');
  const publicIds = of('aws_subnet')
    .filter((subnet) => subnet.address.includes('.public['))
    .map((subnet) => subnet.values.id ?? '');
  const services = of('aws_ecs_service').flatMap((service) => service.values.network_configuration ?? []);
  check(
    'no task stands in a public subnet or has a public address',
    services.length === 2 && services.every((network) => !network.assign_public_ip && sameSet(network.subnets, privateIds)),
  );
  const balancer = (type: string): Partial<Values> => of('aws_lb').find((lb) => lb.values.load_balancer_type === type)?.values ?? {};
  check(
    'the public balancer stands in the public subnets',
    balancer('application').internal === false && sameSet(balancer('application').subnets, publicIds),
  );
  check(
    'the internal balancer stands in the private subnets',
    balancer('network').internal === true && sameSet(balancer('network').subnets, privateIds),
  );

  const open = of('aws_vpc_security_group_ingress_rule').filter((rule) => rule.values.cidr_ipv4 || rule.values.cidr_ipv6);
  const role = new Map(of('aws_security_group').map((group) => [group.values.id, String(group.index)]));
  check(
    'only the public balancer is open to the world, on 80 and 443',
    open.length === 4 &&
      open.every((rule) => role.get(rule.values.security_group_id) === 'alb' && [80, 443].includes(rule.values.from_port ?? 0)),
  );
  const edges = of('aws_vpc_security_group_ingress_rule')
    .filter((rule) => rule.values.referenced_security_group_id)
    .map(
      (rule) => `${role.get(rule.values.referenced_security_group_id)} ${role.get(rule.values.security_group_id)} ${rule.values.to_port}`,
    );
  check(
    'the connections that the rules permit are the path and no others',
    sameSet(edges, [
      'alb gateway 8080',
      'gateway nlb 8081',
      'nlb messaging 8081',
      'nlb messaging 9081',
      'gateway store 6379',
      'messaging store 6379',
      'gateway endpoints 443',
      'messaging endpoints 443',
    ]),
    edges.join('\n'),
  );
  check(
    'no rule opens every protocol',
    [...of('aws_vpc_security_group_ingress_rule'), ...of('aws_vpc_security_group_egress_rule')].every(
      (rule) => rule.values.ip_protocol === 'tcp',
    ),
  );

  const containers = of('aws_ecs_task_definition').map((definition) => JSON.parse(definition.values.container_definitions ?? '[]')[0]);
  const secretValues = of('aws_secretsmanager_secret_version').map((version) => String(version.values.secret_string));
  const definitions = JSON.stringify(containers);
  check(
    'no generated secret appears in a task definition',
    secretValues.length === 2 && secretValues.every((value) => value.length >= 32 && !definitions.includes(value)),
  );
  check(
    'every log group expires and is encrypted',
    of('aws_cloudwatch_log_group').length >= 4 &&
      of('aws_cloudwatch_log_group').every((group) => (group.values.retention_in_days ?? 0) >= 30 && group.values.kms_key_id),
  );
  check(
    'production is protected against deletion',
    of('aws_lb').every((lb) => lb.values.enable_deletion_protection === true),
  );
  check(
    'every taggable resource carries the default tags',
    all.every(
      (resource) =>
        !resource.values.tags_all || resource.address.includes('.data.') || resource.values.tags_all['Application'] === 'connect-chat',
    ),
  );
}

async function lock(): Promise<void> {
  const bucket = `connect-state-${account}-${region}`;
  const object = { Bucket: bucket, Key: 'connect-chat/production.tfstate.tflock' };
  await call('s3', 'put_object', { ...object, Body: '{"ID":"someone-else","Operation":"OperationTypeApply","Who":"someone"}' });
  const refused = await terraform(production, ['plan'], false);
  await call('s3', 'delete_object', object);
  check(
    'a plan is refused while someone else holds the lock',
    refused.code === 1 && refused.sentence.includes('state lock'),
    refused.output,
  );
}

async function autoscaler(): Promise<void> {
  await call('ecs', 'update_service', { cluster: 'connect-production', service: 'connect-production-gateway', desiredCount: 9 });
  await nothingToDo('a count that autoscaling changed is left alone');
}

async function imageBump(): Promise<void> {
  const changes = await planned([`-var=image=${digest('1')}`]);
  const touched = changes.map((change) => `${change.type} ${change.change.actions.join('+')}`);
  check(
    'a new image replaces two task definitions, updates two services, and touches nothing else',
    sameSet(touched, [
      'aws_ecs_task_definition delete+create',
      'aws_ecs_task_definition delete+create',
      'aws_ecs_service update',
      'aws_ecs_service update',
    ]) ||
      sameSet(touched, [
        'aws_ecs_task_definition create+delete',
        'aws_ecs_task_definition create+delete',
        'aws_ecs_service update',
        'aws_ecs_service update',
      ]),
    describe(changes),
  );
}

async function tampering(): Promise<void> {
  const { LoadBalancers } = await call<{ LoadBalancers: { LoadBalancerArn: string }[] }>('elbv2', 'describe_load_balancers', {
    Names: ['connect-production-edge'],
  });
  const idle = (value: string): Promise<unknown> =>
    call('elbv2', 'modify_load_balancer_attributes', {
      LoadBalancerArn: LoadBalancers[0]?.LoadBalancerArn,
      Attributes: [{ Key: 'idle_timeout.timeout_seconds', Value: value }],
    });
  await idle('30');
  const plan = await terraform(production, ['plan', '-detailed-exitcode'], false);
  check(
    'an idle timeout changed behind our back is found',
    plan.code === 2 && /Plan: 0 to add, 1 to change, 0 to destroy/.test(plan.output),
    plan.output,
  );
  await idle('120');
}

async function zoneAdded(): Promise<void> {
  const changes = await planned(zones({ a: 0, b: 1, c: 2, d: 3 }));
  check(
    'a zone more adds its subnets and deletes nothing',
    changes.filter(({ type, change }) => type === 'aws_subnet' && change.actions.join() === 'create').length === 3 &&
      changes.every(({ change }) => !change.actions.includes('delete')),
    describe(changes),
  );
  configure('production', { a: 0, b: 1, c: 2, d: 3 });
  await apply(production, 'the zone is added');
}

async function zoneRemoved(): Promise<void> {
  const fewer = zones({ a: 0, b: 1, c: 2 });
  const refused = await terraform(production, ['plan', ...fewer], false);
  check(
    'removing a zone is refused, and the message names the zone and the way out',
    refused.code === 1 && refused.sentence.includes(`would remove ${region}d`) && refused.sentence.includes('allow_zone_removal'),
    refused.output,
  );

  const allowed = [...fewer, '-var=allow_zone_removal=true'];
  const changes = await planned(allowed);
  const replaced = changes.filter(({ change }) => change.actions.includes('delete') && change.actions.includes('create'));
  check(
    'removing a zone on purpose is planned, and replaces the internal balancer as the message says',
    changes.some(({ address, change }) => address.includes(`private["${region}d"]`) && change.actions.join() === 'delete') &&
      replaced.some(({ address }) => address.endsWith('aws_lb.internal')) &&
      !replaced.some(({ type }) => ['aws_memorydb_cluster', 'aws_vpc', 'aws_kms_key', 'aws_nat_gateway'].includes(type)),
    describe(changes),
  );

  await apply(production, 'protection of the internal balancer is lifted', ['-var=allow_zone_removal=true']);
  configure('production', { a: 0, b: 1, c: 2 });
  const { output } = await apply(production, 'the zone is removed', ['-var=allow_zone_removal=true']);
  const goes = output.indexOf(`aws_subnet.private["${region}d"]: Destroying`);
  const moved = ['module.gateway.aws_ecs_service.this', 'module.network.aws_vpc_endpoint.interface["logs"]'].map((address) =>
    output.indexOf(`${address}: Modifications complete`),
  );
  check(
    'its subnet goes after everything has moved out of it',
    moved.every((at) => at !== -1 && at < goes),
    output,
  );
  await apply(production, 'protection of the internal balancer is back');
  await nothingToDo('a plan after all that has nothing to do');
}

async function rotation(): Promise<void> {
  const changes = await planned(['-var', 'store_password_generations=["second","first"]']);
  const types = new Set(changes.map((change) => change.type));
  check(
    'rotating the store password adds a secret, and deletes nothing but task definitions',
    types.has('aws_memorydb_user') &&
      changes.every((change) => change.type === 'aws_ecs_task_definition' || !change.change.actions.includes('delete')) &&
      [...types].every((type) =>
        [
          'aws_secretsmanager_secret',
          'aws_secretsmanager_secret_version',
          'aws_memorydb_user',
          'aws_iam_role_policy',
          'aws_ecs_task_definition',
          'aws_ecs_service',
        ].includes(type),
      ),
    describe(changes),
  );
}

async function destroy(): Promise<void> {
  const refused = await terraform(production, ['plan', '-var=decommission=true', '-detailed-exitcode'], false);
  check(
    'decommissioning is a plan of updates',
    refused.code === 2 && / 0 to add, \d+ to change, 0 to destroy/.test(refused.output),
    refused.output,
  );
  await apply(production, 'protection is lifted', ['-var=decommission=true']);
  const started = Date.now();
  const gone = await terraform(production, ['destroy', '-auto-approve', '-var=decommission=true'], false);
  check(`production is destroyed (${seconds(started)} s)`, gone.code === 0, gone.output);
  const left = await terraform(production, ['state', 'list']);
  check(
    'nothing is left in the state',
    left.stdout.split('\n').filter((line) => line !== '' && !/(^|\.)data\./.test(line)).length === 0,
    left.stdout,
  );
}

async function apply(cwd: string, name: string, extra: string[] = []): Promise<Finished> {
  const started = Date.now();
  const applied = await terraform(cwd, ['apply', '-auto-approve', ...extra], false);
  check(`${name} (${seconds(started)} s)`, applied.code === 0, applied.output);
  if (applied.code !== 0) throw new Error(`${name}: gave up`);
  return applied;
}

async function nothingToDo(name: string): Promise<void> {
  const plan = await terraform(production, ['plan', '-detailed-exitcode'], false);
  check(name, plan.code === 0, plan.output);
}

async function planned(extra: string[]): Promise<Change[]> {
  await terraform(production, ['plan', '-out=test.tfplan', ...extra]);
  const { stdout } = await terraform(production, ['show', '-json', 'test.tfplan']);
  const { resource_changes: changes } = JSON.parse(stdout) as { resource_changes: Change[] };
  return changes.filter(({ change }) => !['no-op', 'read'].includes(change.actions.join()));
}

async function terraform(cwd: string, args: string[], mustPass = true): Promise<Finished & { sentence: string }> {
  const [command = '', ...rest] = args;
  const result = await workspace.terraform(cwd, command === 'state' ? args : [command, '-no-color', ...rest], aws);
  if (flags.has('--verbose')) console.log(result.output);
  if (mustPass && result.code !== 0) throw new Error(`terraform ${args.join(' ')}: ${result.output.slice(-6000)}`);
  // Terraform wraps and frames its messages; one line is what a test can look for a sentence in.
  return { ...result, sentence: result.output.replace(/[\s│╷╵]+/g, ' ') };
}

async function call<Answer>(service: string, operation: string, body: object): Promise<Answer> {
  const result = await run(
    'python3',
    [join(root, 'test/terraform/aws_emulator.py'), 'call', String(port), service, operation, JSON.stringify(body)],
    { env: { ...workspace.env, ...aws } },
  );
  if (result.code !== 0) throw new Error(`${service} ${operation}: ${result.output}`);
  return JSON.parse(result.stdout) as Answer;
}

async function answering(): Promise<void> {
  for (let attempt = 0; attempt < 120; attempt++) {
    if (emulator.exitCode !== null) throw new Error(`the emulator ended with code ${emulator.exitCode}`);
    const up = await fetch(`http://127.0.0.1:${port}/moto-api/`).then(
      (response) => response.ok,
      () => false,
    );
    if (up) return;
    await sleep(500);
  }
  throw new Error('the emulator does not answer');
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function configure(environment: string, slots: Record<string, number>): void {
  writeFileSync(
    join(folder(`environments/${environment}`), 'terraform.tfvars.json'),
    JSON.stringify({
      account_id: account,
      region,
      domain: 'example.com',
      zones: inRegion(slots),
      image: digest('0'),
      allowed_origins: ['https://app.example.com'],
      alert_emails: ['on-call@example.com'],
    }),
  );
}

function zones(slots: Record<string, number>): string[] {
  return ['-var', `zones=${JSON.stringify(inRegion(slots))}`];
}

function inRegion(slots: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(slots).map(([letter, slot]) => [`${region}${letter}`, slot]));
}

function sameSet(left: readonly string[] | undefined, right: readonly string[]): boolean {
  return JSON.stringify([...(left ?? [])].sort()) === JSON.stringify([...right].sort());
}

function describe(changes: Change[]): string {
  return changes.map(({ address, change }) => `${change.actions.join('+')} ${address}`).join('\n');
}

function seconds(since: number): number {
  return Math.round((Date.now() - since) / 1000);
}
