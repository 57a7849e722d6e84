import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InProcessBroker } from '@outboard/bus';
import { AppError } from '@outboard/core';
import { list, network, World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await World.open();
});

afterEach(async () => world[Symbol.asyncDispose]());

describe('outboard ping', () => {
  it('shows which services run', async () => {
    await world.outboard('get dpus');
    const { stdout, exitCode } = await world.outboard('ping');
    expect(exitCode).toBe(0);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {3,}/));
    expect(rows).toEqual([
      ['SERVICE', 'VERSION', 'INSTANCE', 'UP', 'REQUESTS', 'ERRORS', 'MEAN', 'LAST-ERROR', 'PROBLEM'],
      ['acceleration-broker', '0.1.0', expect.any(String), '0s', '0', '0', '0.00ms', '-', '-'],
      ['admin', '0.1.0', expect.any(String), '0s', '1', '0', expect.stringMatching(/ms$/), '-', '-'],
      ['network-intent', '0.1.0', expect.any(String), '0s', '0', '0', '0.00ms', '-', '-'],
    ]);
    const json = JSON.parse((await world.outboard('ping -o json')).stdout);
    expect(json).toMatchObject([{}, { name: 'admin', description: 'the admin service of a test' }, {}]);
  });

  it('where nothing runs says so and exits with 1', async () => {
    const broker = new InProcessBroker();
    const outcome = await world.outboard('ping', { connect: async () => broker.connect() });
    expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
    expect(outcome.stderr).toContain('the server is there, but no service of Outboard runs');
  });
});

describe('what fails', () => {
  it('for want of a service names it', async () => {
    await world.stopAnswering('admin');
    const { exitCode, stderr } = await world.outboard('get dpus');
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      'outboard: no admin service is running to answer for the admin API\n  `outboard ping` shows what runs; `npm start` starts a local stack\n',
    );
  });

  it('for want of a server, or by its refusal, says what to do', async () => {
    const failing = (error: AppError) => world.outboard('get dpus', { connect: () => Promise.reject(error) });
    const unreachable = await failing(new AppError('UNAVAILABLE', 'NATS at nats://a:1 cannot be reached'));
    expect(unreachable).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('OUTBOARD_NATS_URL') });
    const refused = await failing(new AppError('UNAUTHENTICATED', 'NATS refuses outboard-cli'));
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('--seed') });
  });

  it('as JSON is told as JSON', async () => {
    await world.stopAnswering('network');
    const { stderr } = await world.outboard('get ports -A -o json');
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 14, status: 'UNAVAILABLE' } });
  });

  it('for want of streams says who makes them', async () => {
    const broker = new InProcessBroker();
    const { exitCode, stderr } = await world.outboard('events -A', { connect: async () => broker.connect() });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('the services make the streams');
  });

  it('to come at all is left at once by who interrupts it, without a word', async () => {
    const connecting = world.outboard('apply -f -', {
      ...list(network('blue')),
      connect: () => new Promise(() => {}),
    });
    let asked = (): void => {};
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const bus = world.connect();
    bus.request = () => {
      asked();
      return new Promise(() => {});
    };
    const looking = world.outboard('get dpus', { connect: async () => bus });
    await isAsked;
    for (const running of [connecting, looking]) {
      running.interrupt();
      expect(await running).toEqual({ exitCode: 130, stdout: '', stderr: '' });
    }
  });

  it('takes too long with 124', async () => {
    const bus = world.connect();
    bus.request = async (subject) => {
      throw new AppError('DEADLINE_EXCEEDED', `no answer from ${subject}`);
    };
    const { exitCode } = await world.outboard('get dpus --timeout 1ms', { connect: async () => bus });
    expect(exitCode).toBe(124);
  });
});

describe('the command line', () => {
  it('that is unknown is refused with 2 and a hint', async () => {
    const { exitCode, stderr } = await world.outboard('gett ports');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('Did you mean get?');
    expect((await world.outboard('get ports -o xml')).exitCode).toBe(2);
    for (const commandLine of ['fleet', 'fleet --dpus 3', 'fleet --help']) {
      const fleet = await world.outboard(commandLine);
      expect(fleet).toMatchObject({ exitCode: 2, stdout: '' });
      expect(fleet.stderr).toContain(
        'fleet is a program of its own: in a checkout, `npm run outboard -- fleet',
      );
    }
    expect((await world.outboard([])).exitCode).toBe(2);
  });

  it('prints its version without a server', async () => {
    const connect = () => Promise.reject(new Error('connected'));
    expect(await world.outboard('version', { connect })).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^outboard \d+\.\d+\.\d+ \(contract outboard\.v1alpha1, Node v\d/),
    });
    expect((await world.outboard('--version', { connect })).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await world.outboard('help wait', { connect })).toMatchObject({ exitCode: 0, stderr: '' });
  });
});
