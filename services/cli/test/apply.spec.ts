import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HEADERS } from '@outboard/contracts';
import { AppError, err } from '@outboard/core';
import { functionOf, list, network, port, subnet, World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await World.open();
});

afterEach(async () => world[Symbol.asyncDispose]());

const apply = (...items: object[]) => world.outboard('apply -f -', list(...items));

describe('outboard apply', () => {
  it('creates, changes and leaves alone, what others need first, and tells which', async () => {
    expect(await apply(port('web-0'), subnet('blue-v4', '10.0.1.0/24'), network('blue'))).toEqual({
      exitCode: 0,
      stdout: 'network/blue created\nsubnet/blue-v4 created\nport/web-0 created\n',
      stderr: '',
    });
    const again = await apply(network('blue', {}, { labels: { team: 'a' } }), port('web-0'), port('web-1'));
    expect(again.stdout).toBe('network/blue configured\nport/web-0 unchanged\nport/web-1 created\n');
    const changed = await apply(port('web-1', { adminState: 'DOWN' }));
    expect(changed.stdout).toBe('port/web-1 configured\n');
  });

  it('names the tenant where resources of several are applied', async () => {
    const { stdout } = await apply(network('blue'), network('blue', {}, { tenant: 'globex' }));
    expect(stdout).toBe('acme/network/blue created\nglobex/network/blue created\n');
  });

  it('goes on after a refusal and exits with 1', async () => {
    const { exitCode, stdout, stderr } = await apply(
      network('blue'),
      network('red', { mtu: 1500 }),
      port('web-0', { network: 'green' }),
      port('web-1'),
    );
    expect(exitCode).toBe(1);
    expect(stdout).toBe('network/blue created\nnetwork/red created\nport/web-1 created\n');
    expect(stderr).toMatch(/^outboard: port\/web-0: spec\.network: .*green.*\n$/);
  });

  it('sends nothing when a document has a problem', async () => {
    const { exitCode, stdout, stderr } = await apply(network('blue'), network('red', { mtu: 1 }));
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toBe('outboard: -[0].items[1]: spec.mtu: must be 1280 to 9000\n');
    expect((await world.outboard('get networks -A -o name')).stdout).toBe('');
  });

  it('applies hundreds of ports at once, and the same again changes nothing', async () => {
    const ports = Array.from({ length: 300 }, (_, index) => port(`p-${index}`));
    const everything = [...ports, subnet('blue-v4', '10.0.0.0/20'), network('blue')];
    const first = await apply(...everything);
    expect(first.exitCode).toBe(0);
    expect(first.stdout.split('\n').slice(0, 4)).toEqual([
      'network/blue created',
      'subnet/blue-v4 created',
      'port/p-0 created',
      'port/p-1 created',
    ]);
    const second = await apply(...everything);
    expect(second.stdout.match(/unchanged\n/g)).toHaveLength(302);
  });

  it('asks a repeated change with the same message id, so that a lost answer does no harm', async () => {
    const ids: (string | undefined)[] = [];
    const lossy = world.connect();
    const request = lossy.request.bind(lossy);
    lossy.request = async (subject, message, options) => {
      const answer = await request(subject, message, options);
      if (!subject.endsWith('.apply')) return answer;
      ids.push(message.headers[HEADERS.messageId]);
      return ids.length > 1 ? answer : err(new AppError('DEADLINE_EXCEEDED', 'the answer is lost'));
    };
    const outcome = await world.outboard('apply -f -', {
      ...list(network('blue')),
      connect: async () => lossy,
    });
    expect(outcome.stdout).toBe('network/blue created\n');
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
  });

  it('stops when nothing gets through, and tells how much was not sent', async () => {
    await world.stopAnswering('network');
    const networks = Array.from({ length: 200 }, (_, index) => network(`n-${index}`));
    const { exitCode, stderr } = await apply(...networks);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('outboard: network/n-0: no network-intent service is running');
    expect(stderr).toMatch(/outboard: 1\d\d of 200 were not sent\n$/);
  });

  it('ends when it is interrupted, with what was under way', async () => {
    const networks = Array.from({ length: 500 }, (_, index) => network(`n-${index}`));
    const running = apply(...networks);
    await running.shows('network/n-0 created');
    running.interrupt();
    const { exitCode, stderr } = await running;
    expect(exitCode).toBe(130);
    expect(stderr).toMatch(/^outboard: \d+ of 500 were not sent\n$/);
  });

  it('as JSON gives a line for every resource, and errors as JSON too', async () => {
    const { stdout, stderr } = await world.outboard(
      'apply -f - -o json',
      list(network('blue'), port('web-0', { network: 'green' })),
    );
    expect(JSON.parse(stdout)).toMatchObject({
      resource: 'network/blue',
      result: 'created',
      object: { kind: 'Network', metadata: { tenant: 'acme', name: 'blue', generation: 1 } },
    });
    expect(JSON.parse(stderr)).toMatchObject({
      resource: 'port/web-0',
      error: {
        details: expect.arrayContaining([expect.objectContaining({ fieldViolations: expect.anything() })]),
      },
    });
  });
});

describe('outboard apply --dry-run', () => {
  const plan = (...items: object[]) => world.outboard('apply -f - --dry-run', list(...items));

  it('tells what would change on which DPU, and changes nothing', async () => {
    await world.registerDpu(2);
    await apply(network('blue'), subnet('blue-v4', '10.0.1.0/24'));
    const { stdout, exitCode } = await plan(port('web-0', { function: functionOf(0) }), network('blue'));
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^network\/blue would stay unchanged\nport\/web-0 would be created\n {2}on dpu-1: \d+ objects set, 0 removed\n {4}set /,
    );
    expect((await world.outboard('get ports -A -o name')).stdout).toBe('');
  });

  it('tells of resources that need others of the same call', async () => {
    const { stdout } = await plan(port('web-0'), subnet('blue-v4', '10.0.1.0/24'), network('blue'));
    expect(stdout).toBe(`network/blue would be created
  no DPU needs anything for it
subnet/blue-v4 would be created after network/blue; what DPUs need for it is known then
port/web-0 would be created after network/blue; what DPUs need for it is known then
`);
  });

  it('tells what would be refused', async () => {
    const { exitCode, stderr } = await plan(port('web-0', { network: 'green' }));
    expect(exitCode).toBe(1);
    expect(stderr).toContain('port/web-0: spec.network');
  });
});
