import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { list, network, port, subnet, World } from './world.js';

let world: World;

const EVERYTHING = [network('blue'), subnet('blue-v4', '10.0.1.0/24'), port('web-0'), port('web-1')];

beforeEach(async () => {
  world = await World.open();
  await world.outboard('apply -f -', list(...EVERYTHING));
});

afterEach(async () => world[Symbol.asyncDispose]());

describe('outboard delete', () => {
  it('deletes by name', async () => {
    expect(await world.outboard('delete -t acme port web-0 web-1')).toEqual({
      exitCode: 0,
      stdout: 'port/web-0 deleted\nport/web-1 deleted\n',
      stderr: '',
    });
    expect((await world.outboard('get ports -A -o name')).stdout).toBe('');
  });

  it('deletes what is in files, what others need last, and waits until nobody sees it any more', async () => {
    expect(await world.outboard('delete --wait -f -', list(...EVERYTHING))).toEqual({
      exitCode: 0,
      stdout: 'port/web-0 deleted\nport/web-1 deleted\nsubnet/blue-v4 deleted\nnetwork/blue deleted\n',
      stderr: '',
    });
    const watching = world.outboard('watch all -A');
    await world.outboard('apply -f -', list(network('last')));
    expect(await watching.shows('last')).not.toContain('blue');
    watching.interrupt();
  });

  it('refuses what is in use, naming the users', async () => {
    const { exitCode, stderr } = await world.outboard('delete -t acme network blue');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^outboard: network\/blue: .* is in use by \d: .*\n {2}delete first what uses it\n$/,
    );
  });

  it('of what is not there fails, unless that is as good', async () => {
    const strict = await world.outboard('delete -t acme port none web-0');
    expect(strict).toEqual({
      exitCode: 1,
      stdout: 'port/web-0 deleted\n',
      stderr: expect.stringMatching(/^outboard: port\/none: .*acme\/none.*\n$/),
    });
    const lenient = await world.outboard('delete -t acme port none web-0 --ignore-not-found --wait');
    expect(lenient).toEqual({
      exitCode: 0,
      stdout: 'port/none not found\nport/web-0 not found\n',
      stderr: '',
    });
  });

  it('as JSON gives a line for every resource', async () => {
    const { stdout } = await world.outboard('delete -t acme port/web-0 -o json');
    expect(JSON.parse(stdout)).toEqual({ resource: 'port/web-0', result: 'deleted' });
  });

  it.each([
    ['delete', 'KIND'],
    ['delete port -t acme', 'NAME'],
    ['delete port web-0', '--tenant'],
    ['delete port web-0 -t acme -f file', 'KIND'],
  ])('refuses `%s`', async (commandLine, field) => {
    const { exitCode, stderr } = await world.outboard(commandLine);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`outboard: ${field}: `);
  });
});
