import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { functionOf, list, network, port, subnet, World } from './world.js';

let world: World;

beforeAll(async () => {
  world = await World.open();
  await world.registerDpu(2);
  const labelled = port('web-0', { function: functionOf(0) }, { labels: { app: 'web' } });
  await world.outboard(
    'apply -f -',
    list(
      network('blue'),
      network('red', {}, { tenant: 'globex' }),
      subnet('blue-v4', '10.0.1.0/24'),
      labelled,
      port('db-0'),
    ),
  );
});

afterAll(async () => world[Symbol.asyncDispose]());

const lines = (stdout: string): string[][] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {3,}/));

describe('outboard get', () => {
  it('shows a table of a kind', async () => {
    const { stdout, exitCode } = await world.outboard('get ports -t acme');
    expect(exitCode).toBe(0);
    expect(lines(stdout)).toEqual([
      ['NAME', 'READY', 'REASON', 'NETWORK', 'ADDRESSES', 'DPU', 'REPRESENTOR', 'AGE'],
      ['db-0', 'False', 'NoFunction', 'blue', expect.stringMatching(/^10\.0\.1\.\d+$/), '-', '-', '0s'],
      [
        'web-0',
        expect.any(String),
        expect.any(String),
        'blue',
        expect.stringMatching(/^10\.0\.1\.\d+$/),
        'dpu-1',
        'pf0vf0',
        expect.stringMatching(/^\ds$/),
      ],
    ]);
  });

  it('shows all kinds of a tenant, and of all tenants with what belongs to none', async () => {
    const acme = (await world.outboard('get all', { environment: { OUTBOARD_TENANT: 'acme' } })).stdout;
    expect(acme.split('\n\n').map((table) => lines(table).map(([name]) => name))).toEqual([
      ['NAME', 'blue'],
      ['NAME', 'blue-v4'],
      ['NAME', 'db-0', 'web-0'],
    ]);
    const all = (await world.outboard('get all -A')).stdout;
    expect(all.split('\n\n').map((table) => lines(table).map(([name]) => name))).toEqual([
      ['NAME', 'dpu-1'],
      ['NAME', 'dpu-1-pf0vf0', 'dpu-1-pf0vf1'],
      ['TENANT', 'acme', 'globex'],
      ['TENANT', 'acme'],
      ['TENANT', 'acme', 'acme'],
    ]);
  });

  it('takes names, and tells those that are not there', async () => {
    const { stdout, stderr, exitCode } = await world.outboard(
      'get -t acme port/web-0 network/blue port/none -o name',
    );
    expect(stdout).toBe('port/web-0\nnetwork/blue\n');
    expect(stderr).toBe('outboard: port/none: no Port acme/none\n');
    expect(exitCode).toBe(1);
  });

  it('selects by labels and by fields', async () => {
    const names = async (selection: string) =>
      (await world.outboard(`get ports -A -o name ${selection}`)).stdout;
    expect(await names('-l app=web')).toBe('port/web-0\n');
    expect(await names('-l app!=web')).toBe('port/db-0\n');
    expect(await names('--field-selector status.dpu=dpu-1')).toBe('port/web-0\n');
    expect(await names('--field-selector spec.network=red')).toBe('');
  });

  it('follows all pages of a long list', async () => {
    const networks = Array.from({ length: 501 }, (_, index) => network(`n-${index}`, {}, { tenant: 'many' }));
    await world.outboard('apply -f -', list(...networks));
    const { stdout } = await world.outboard('get networks -t many -o name');
    expect(stdout.trimEnd().split('\n')).toHaveLength(501);
  });

  it('writes JSON and YAML that `apply` takes back', async () => {
    const one = (await world.outboard('get -t acme network blue -o json')).stdout;
    expect(JSON.parse(one)).toMatchObject({ kind: 'Network', metadata: { name: 'blue' } });
    const several = (await world.outboard('get -t acme networks,subnets -o json')).stdout;
    expect(JSON.parse(several)).toMatchObject({
      kind: 'List',
      items: [{ kind: 'Network' }, { kind: 'Subnet' }],
    });
    const yaml = (await world.outboard('get -t acme networks,subnets -o yaml')).stdout;
    expect(parseAllDocuments(yaml).map((each) => each.toJS().kind)).toEqual(['Network', 'Subnet']);
    for (const input of [one, several, yaml]) {
      const { stdout, exitCode } = await world.outboard('apply -f -', { input });
      expect(stdout.replaceAll(/^\S+ unchanged\n/gm, '')).toBe('');
      expect(exitCode).toBe(0);
    }
    expect(parse((await world.outboard('get dpu dpu-1 -o yaml')).stdout)).toMatchObject({ kind: 'Dpu' });
  });

  it('of nothing says so, and gives JSON an empty list', async () => {
    expect(await world.outboard('get ports -t nobody')).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: 'no ports\n',
    });
    expect(JSON.parse((await world.outboard('get ports -t nobody -o json')).stdout)).toEqual({
      kind: 'List',
      items: [],
    });
  });

  it.each([
    ['get pods -t acme', 'KIND'],
    ['get ports', '--tenant'],
    ['get port web-0 -A', '--all-tenants'],
    ['get port web-0 -t acme -l app=web', 'NAME'],
    ['get ports -A -l ==', '--selector'],
    ['get ports -A --field-selector spec.colour=blue', '--field-selector'],
    ['get ports,networks -A --watch', '--watch'],
    ['get ports -A --watch -o json', '--output'],
    ['get ports -t Acme', '--tenant'],
    ['get ports -A --timeout never', '--timeout'],
    ['get ports -A --server localhost', '--server'],
  ])('refuses `%s` before it connects', async (commandLine, field) => {
    const connect = () => Promise.reject(new Error('connected'));
    const { exitCode, stdout, stderr } = await world.outboard(commandLine, { connect });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    if (!commandLine.endsWith('json')) expect(stderr).toContain(`outboard: ${field}: `);
  });
});

describe('outboard get --watch', () => {
  it('shows the table, then a row for every change of what is selected', async () => {
    const running = world.outboard('get ports -t acme --watch -l app=web');
    expect(lines(await running.shows('web-0')).map(([name]) => name)).toEqual(['NAME', 'web-0']);
    await world.outboard('apply -f -', list(port('other'), port('web-9', {}, { labels: { app: 'web' } })));
    await running.shows('web-9');
    await world.outboard('delete -t acme port web-9 other');
    await running.shows(/web-9 +deleted/);
    await world.outboard('apply -f -', list(port('web-8', {}, { labels: { app: 'web' } })));
    await running.shows('web-8');
    await world.outboard('apply -f -', list(port('web-8', {}, { labels: { app: 'db' } })));
    await running.shows(/web-8 +not selected any more\n/);
    await world.outboard('delete -t acme port web-8');
    running.interrupt();
    const { exitCode, stdout } = await running;
    expect(exitCode).toBe(130);
    expect(stdout).not.toContain('other');
  });

  it('of one name shows nothing of others', async () => {
    const running = world.outboard('get network blue -t acme -w -o wide');
    await running.shows('LABELS');
    await world.outboard('apply -f -', list(network('green'), network('blue', {}, { labels: { a: 'b' } })));
    await running.shows('a=b');
    running.interrupt();
    expect((await running).stdout).not.toContain('green');
  });
});
