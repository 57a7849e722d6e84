import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { functionOf, list, network, port, subnet, World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await World.open();
  await world.registerDpu(2);
  await world.beat();
});

afterEach(async () => world[Symbol.asyncDispose]());

const specOf = async () => {
  const { stdout } = await world.outboard('get dpu dpu-1 -o json');
  return JSON.parse(stdout).spec;
};

describe('outboard dpu', () => {
  it('drains: tells who is left, ends when nobody is, and is undone', async () => {
    const items = [network('blue'), subnet('blue-v4', '10.0.1.0/24')];
    const ports = [0, 1].map((index) => port(`web-${index}`, { function: functionOf(index) }));
    await world.outboard('apply -f -', list(...items, ...ports));
    await world.outboard('wait function dpu-1-pf0vf0 --for status.claim.name=web-0');
    await world.outboard('wait function dpu-1-pf0vf1 --for status.claim.name=web-1');
    const vain = world.outboard('dpu drain dpu-1 --wait --drain-seconds 600');
    await vain.shows('2 to leave');
    vain.interrupt();
    expect(await vain).toMatchObject({
      exitCode: 130,
      stderr: expect.stringContaining('dpu/dpu-1: interrupted: DRAINING: PortsRemain: 2 to leave: port acme'),
    });
    const draining = world.outboard('dpu drain dpu-1 --wait');
    await draining.shows('dpu/dpu-1 DRAINING: PortsRemain: 2 to leave: port acme/web-0, port acme/web-1\n');
    await world.outboard('delete -t acme port web-0');
    await draining.shows('dpu/dpu-1 DRAINING: PortsRemain: 1 to leave: port acme/web-1\n');
    await world.outboard('delete -t acme port web-1');
    const { exitCode, stdout } = await draining;
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^dpu\/dpu-1 to be drained\n(.*\n)+dpu\/dpu-1 MAINTENANCE: NothingRemains: .*\n$/);
    // What was not named is as it was.
    expect((await specOf()).lifecycle).toMatchObject({ desired: 'MAINTENANCE', drainSeconds: 600 });
    const undrained = world.outboard('dpu undrain dpu-1 --wait');
    await undrained.shows('PROVISIONING: ');
    await world.beat();
    expect(await undrained).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('dpu-1 READY: ') });
  });

  it('waits for the workloads that cannot be elsewhere, names them, and stops them when it is forced', async () => {
    await world.obeyAdmin();
    const workload = (name: string, spec: object) => ({
      apiVersion: 'admin.outboard.dev/v1alpha1',
      kind: 'Workload',
      metadata: { tenant: 'acme', name },
      spec: { command: ['/bin/true'], ...spec },
    });
    const items = [workload('fw', { dpu: 'dpu-1' }), workload('job', { restartPolicy: 'NEVER' })];
    expect(await world.outboard('apply -f -', list(...items))).toMatchObject({ exitCode: 0 });
    const vain = world.outboard('dpu drain dpu-1 --wait');
    await vain.shows(
      'dpu/dpu-1 DRAINING: WorkloadsRemain: 2 to leave: workload acme/fw (pinned to it), workload acme/job (runs to its end)\n',
    );
    vain.interrupt();
    expect(await vain).toMatchObject({ exitCode: 130 });
    const { stdout } = await world.outboard('dpu drain dpu-1 --force --wait');
    expect(stdout).toMatch(/dpu-1 MAINTENANCE: NothingRemains: .*\n$/);
    expect((await specOf()).lifecycle.forceDrain).toBe(true);
    await world.outboard('dpu undrain dpu-1');
    expect((await specOf()).lifecycle).not.toMatchObject({ forceDrain: true });
  });

  it('asks for a reboot and another try once for each text, and approves', async () => {
    for (const verb of ['reboot', 'retry']) {
      const asked = `dpu ${verb} dpu-1 --request firmware-24.10`;
      expect(await world.outboard(asked)).toMatchObject({ exitCode: 0, stderr: '' });
      const { stdout } = await world.outboard('get dpu dpu-1 -o json');
      await world.outboard(asked);
      const again = await world.outboard('get dpu dpu-1 -o json');
      expect(JSON.parse(again.stdout).metadata).toEqual(JSON.parse(stdout).metadata);
    }
    await world.outboard('dpu approve dpu-1');
    const requests = { rebootRequest: 'firmware-24.10', retryRequest: 'firmware-24.10' };
    expect(await specOf()).toMatchObject({ approved: true, lifecycle: requests });
    await world.outboard('dpu retry dpu-1');
    expect((await specOf()).lifecycle.retryRequest).toMatch(/^20..-/);
  });

  it('retires, of several those that there are', async () => {
    const { exitCode, stdout, stderr } = await world.outboard('dpu retire none dpu-1 --wait');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('dpu/none: ');
    expect(stdout).toContain('dpu/dpu-1 RETIRED: ');
  });

  it('is refused for what it does not do, before anything is sent', async () => {
    for (const args of [
      'explode dpu-1',
      'drain',
      'reboot dpu-1 --drain-seconds 5',
      'undrain dpu-1 --force',
      'drain dpu-1 --drain-seconds 0',
    ]) {
      expect((await world.outboard(`dpu ${args}`)).exitCode).toBe(2);
    }
    expect((await specOf()).lifecycle.desired).toBe('READY');
  });
});
