import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { functionOf, list, network, ofNoTenant, port, subnet, World } from './world.js';

let world: World;

beforeAll(async () => {
  world = await World.open();
  await world.registerDpu(2);
  const items = [
    network('blue'),
    subnet('blue-v4', '10.0.1.0/24'),
    port('web-0', { function: functionOf(0) }),
    network('red', {}, { tenant: 'globex' }),
  ];
  await world.outboard('apply -f -', list(...items));
  await world.reportApplied();
  const following = world.outboard('events ports -t acme --since 0 --follow');
  await following.shows(/ready +acme\/port\/web-0/);
  following.interrupt();
});

afterAll(async () => world[Symbol.asyncDispose]());

describe('outboard describe', () => {
  it('tells all about a port, with its events', async () => {
    const { stdout, exitCode } = await world.outboard('describe -t acme port web-0');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^Kind: {9}Port \(network\.outboard\.dev\/v1alpha1\)\nTenant: {7}acme\nName: {9}web-0\n/,
    );
    expect(stdout).toContain('  dpu: dpu-1\n  representor: pf0vf0\n');
    expect(stdout).toMatch(/Conditions:\n {2}TYPE {7}STATUS {3}REASON .*\n {2}Accepted {3}True/);
    expect(stdout).toContain('Used by:\n  nothing\n');
    expect(stdout).toMatch(
      /Events:\n {2}WHEN .*\n {2}\d+s ago {3}accepted {3}generation 1\n(.*\n)* {2}\d+s ago +ready /,
    );
  });

  it('tells who uses a network, a subnet, a DPU and a function', async () => {
    const usersOf = async (what: string): Promise<string[]> => {
      const { stdout } = await world.outboard(`describe -t acme ${what}`);
      return (/Used by:\n((?: {2}.*\n)+)Events/.exec(stdout)?.[1] ?? '').trim().split(/\n */);
    };
    expect(await usersOf('network/blue')).toEqual(['acme/subnet/blue-v4', 'acme/port/web-0']);
    await world.outboard('apply -f -', list(port('fixed', { addresses: [{ subnet: 'blue-v4' }] })));
    expect(await usersOf('subnet/blue-v4')).toEqual(['acme/port/fixed']);
    await world.outboard('delete -t acme port fixed');
    await world.outboard('wait function dpu-1-pf0vf0 --for status.claim.name=web-0');
    const functions = ['function/dpu-1-pf0vf0, bound by acme/port/web-0', 'function/dpu-1-pf0vf1'];
    expect(await usersOf('dpu/dpu-1')).toEqual([...functions, 'acme/port/web-0']);
    expect(await usersOf('function/dpu-1-pf0vf0')).toEqual(['acme/port/web-0']);
    const pool = {
      apiVersion: 'admin.outboard.dev/v1alpha1',
      kind: 'FunctionPool',
      metadata: { name: 'default' },
      spec: { attachment: 'HOST' },
    };
    const { stderr } = await world.outboard('apply -f -', list(pool));
    expect(stderr).toBe('');
    expect(await usersOf('functionpool/default')).toEqual(functions);
  });

  it('tells which networks and policies use a physical network, of whatever tenant', async () => {
    const range = { networkType: 'VLAN', physicalNetwork: 'physnet1', minimum: 100, maximum: 199 };
    const physical = { vlanRanges: [{ minimum: 100, maximum: 299 }] };
    const policy = { defaultSegment: { networkType: 'VXLAN' }, allowed: [range] };
    await world.outboard(
      'apply -f -',
      list(
        ofNoTenant('PhysicalNetwork', 'physnet1', physical),
        ofNoTenant('EncapsulationPolicy', 'default', policy),
        network('rack', { segment: { networkType: 'VLAN' } }, { tenant: 'globex' }),
      ),
    );
    const { stdout } = await world.outboard('describe physicalnetwork physnet1');
    expect(stdout).toContain('Used by:\n  encapsulationpolicy/default\n  globex/network/rack\nEvents:');
  });

  it('describes several and tells which is not there', async () => {
    const { stdout, stderr, exitCode } = await world.outboard(
      'describe -t acme network/blue network/none dpu/dpu-1',
    );
    expect(stdout.match(/^Kind: .*$/gm)).toHaveLength(2);
    expect(stderr).toBe('outboard: network/none: no Network acme/none\n');
    expect(exitCode).toBe(1);
    expect((await world.outboard('describe dpu')).exitCode).toBe(2);
  });
});

describe('outboard watch', () => {
  it('shows what is there, then a line for every change', async () => {
    const running = world.outboard('watch networks -t acme');
    await running.shows(/^present {5}acme\/network\/blue +True +NoProblem +revision \d+\n$/);
    await world.outboard('apply -f -', list(network('green')));
    await running.shows(/created +acme\/network\/green/);
    await world.outboard('apply -f -', list(network('green', {}, { labels: { a: 'b' } })));
    await running.shows(/changed +acme\/network\/green/);
    await world.outboard('delete -t acme network green');
    await running.shows(/deleted +acme\/network\/green\n/);
    running.interrupt();
    expect((await running).exitCode).toBe(130);
  });

  it('shows all tenants, one name, or JSON', async () => {
    const all = world.outboard('watch all -A -o json');
    const shown = await all.shows('globex');
    all.interrupt();
    await all;
    expect(JSON.parse(shown.split('\n')[0] ?? '')).toMatchObject({
      operation: 'present',
      tenant: expect.any(String),
      kind: expect.any(String),
      object: { metadata: {} },
    });
    const one = world.outboard('watch port/web-0 -t acme');
    expect((await one.shows('web-0')).trim().split('\n')).toHaveLength(1);
    one.interrupt();
  });

  it.each(['watch all', 'watch ports,networks -A', 'watch port a b -t acme', 'watch ports'])(
    'refuses `%s`',
    async (commandLine) => {
      expect((await world.outboard(commandLine)).exitCode).toBe(2);
    },
  );
});

describe('outboard events', () => {
  it('shows the log of a tenant, of a kind or of one resource', async () => {
    const { stdout } = await world.outboard('events -t acme');
    const [header, ...rest] = stdout.trimEnd().split('\n');
    expect(header).toMatch(/^TIME +SEQUENCE +REVISION +EVENT +RESOURCE +ACTOR +MESSAGE$/);
    expect(rest.every((line) => line.includes('   acme/'))).toBe(true);
    expect(
      rest.some((line) => / accepted +acme\/network\/blue +tenant\/acme +generation 1$/.test(line)),
    ).toBe(true);
    const ports = (await world.outboard('events port web-0 -t acme -o json')).stdout.trimEnd().split('\n');
    const transitions = ports.map((line) => JSON.parse(line).transition);
    expect(transitions[0]).toBe('accepted');
    expect(transitions.at(-1)).toBe('ready');
  });

  it('as JSON tells whose doing each is, and which user asked for it', async () => {
    await world.outboard('apply -f -', { ...list(network('mine')), environment: { USER: 'alice' } });
    await world.outboard('apply -f -', { ...list(network('theirs')), environment: { USER: 'Zoë' } });
    const eventOf = async (name: string): Promise<object> => {
      const following = world.outboard(`events network ${name} -t acme -o json --since 0 --follow`);
      const [line = ''] = (await following.shows('\n')).split('\n');
      following.interrupt();
      return JSON.parse(line);
    };
    expect(await eventOf('mine')).toMatchObject({
      transition: 'accepted',
      actor: 'tenant/acme',
      requestedBy: 'alice',
      revision: expect.any(Number),
    });
    // What a header cannot hold is not sent.
    expect(await eventOf('theirs')).not.toHaveProperty('requestedBy');
    await world.outboard('delete -t acme network mine theirs');
  });

  it('starts at a sequence or a time', async () => {
    const all = (await world.outboard('events -A -o json')).stdout.trimEnd().split('\n');
    const { sequence } = JSON.parse(all.at(-2) ?? '');
    const tail = await world.outboard(`events -A -o json --since ${sequence}`);
    expect(tail.stdout.trimEnd().split('\n')).toEqual(all.slice(-2));
    expect((await world.outboard('events -A -o json --since 1h')).stdout.trimEnd().split('\n')).toEqual(all);
    expect((await world.outboard('events -A -o json --since 2100-01-01T00:00:00Z')).stdout).toBe('');
    const beyond = await world.outboard('events -A --since 999999');
    expect(beyond.exitCode).toBe(1);
    expect(beyond.stderr).toContain('does not hold sequence 999999');
    expect((await world.outboard('events -A --since yesterday')).exitCode).toBe(2);
  });

  it('follows what comes', async () => {
    const running = world.outboard('events networks -A --follow');
    await running.shows('SEQUENCE');
    await world.outboard('apply -f -', list(network('followed')));
    const shown = await running.shows(/ready +acme\/network\/followed/);
    expect(shown).not.toContain('blue');
    running.interrupt();
    expect((await running).exitCode).toBe(130);
  });

  it.each(['events', 'events ports', 'events all web-0 -A', 'events port a b -A'])(
    'refuses `%s`',
    async (line) => {
      expect((await world.outboard(line)).exitCode).toBe(2);
    },
  );
});

describe('outboard wait', () => {
  it('ends at once when it is so already', async () => {
    expect(await world.outboard('wait -t acme port/web-0 network/blue --for condition=Ready')).toEqual({
      exitCode: 0,
      stdout: 'port/web-0 condition met\nnetwork/blue condition met\n',
      stderr: '',
    });
  });

  it('waits for what does not exist yet, and for a change of the spec to be applied', async () => {
    const early = world.outboard('wait -t acme port late --for condition=Ready');
    await world.outboard('apply -f -', list(port('late', { function: functionOf(1) })));
    await world.reportApplied();
    expect((await early).stdout).toBe('port/late condition met\n');
    const before = world.outboard('wait -t acme port late --for condition=Ready=False');
    await world.outboard('apply -f -', list(port('late', { function: functionOf(1), adminState: 'DOWN' })));
    expect((await before).stdout).toBe('port/late condition met\n');
    const after = world.outboard('wait -t acme port late --for condition=Ready');
    await world.reportApplied();
    expect((await after).exitCode).toBe(0);
    const gone = world.outboard('wait -t acme port late --for delete');
    await world.outboard('delete -t acme port late');
    expect(await gone).toEqual({ exitCode: 0, stdout: 'port/late deleted\n', stderr: '' });
    expect((await world.outboard('wait -t acme port late --for delete')).stdout).toBe('port/late deleted\n');
  });

  it('ends with 124 when the time is over, and tells where each resource stands', async () => {
    await world.outboard('apply -f -', list(port('idle')));
    const outcome = await world.outboard('wait -t acme port idle none --for condition=Ready --timeout 10ms');
    expect(outcome).toEqual({
      exitCode: 124,
      stdout: '',
      stderr: expect.stringMatching(
        /^outboard: port\/idle: not within 0\.01 s: Ready is False: NoFunction: .*\n.*\noutboard: port\/none: not within 0\.01 s: it does not exist\n/,
      ),
    });
    const field = await world.outboard('wait -t acme port idle --for status.dpu=dpu-9 --timeout 10ms');
    expect(field.stderr).toContain('status.dpu is -');
    await world.outboard('delete -t acme port idle');
  });

  it('ends when it is interrupted', async () => {
    const running = world.outboard('wait -t acme port none web-0 --for condition=Ready');
    await running.shows('port/web-0 condition met');
    running.interrupt();
    const { exitCode, stderr } = await running;
    expect(exitCode).toBe(130);
    expect(stderr).toContain('port/none: interrupted');
  });

  it.each([
    'wait -t acme port --for delete',
    'wait port a --for delete',
    'wait -t acme port a --for soon',
    'wait port a',
  ])('refuses `%s`', async (commandLine) => {
    expect((await world.outboard(commandLine)).exitCode).toBe(2);
  });
});
