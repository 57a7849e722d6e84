import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { functionOf, list, network, port, subnet, World } from './world.js';

let world: World;

beforeAll(async () => {
  world = await World.open();
  await world.registerDpu(2);
  const policy = {
    apiVersion: 'network.outboard.dev/v1alpha1',
    kind: 'SecurityPolicy',
    metadata: { tenant: 'acme', name: 'web' },
    spec: { portSelector: { matchLabels: { app: 'web' } }, ingress: [{ name: 'http' }] },
  };
  await world.outboard('apply -f -', list(network('blue'), subnet('blue-v4', '10.0.1.0/24'), policy));
});

afterAll(async () => world[Symbol.asyncDispose]());

describe('outboard counters', () => {
  it('of a policy that applies to no port says so, and of one that does not exist that', async () => {
    expect(await world.outboard('counters securitypolicy web -t acme')).toMatchObject({
      exitCode: 0,
      stderr: 'web is on no DPU\n',
    });
    const missing = await world.outboard('counters securitypolicy nobody -t acme');
    expect(missing).toMatchObject({ exitCode: 1, stdout: '' });
    expect(missing.stderr).toContain('no SecurityPolicy acme/nobody');
    expect(await world.outboard('counters port web -t acme')).toMatchObject({ exitCode: 2 });
  });

  it('tells of which DPU nothing can be told, then what its rules have decided on, summed and DPU by DPU', async () => {
    await world.outboard(
      'apply -f -',
      list(port('web-0', { function: functionOf(0) }, { labels: { app: 'web' } })),
    );
    const silent = await world.outboard('counters securitypolicy web -t acme');
    expect(silent.exitCode).toBe(0);
    expect(silent.stdout).toContain('dpu-1: the worker does not tell: ');
    await world.showCounters({
      rules: [
        { direction: 'INGRESS', rule: 'http', packets: 7n, bytes: 700n },
        { direction: 'INGRESS', rule: 'ping', packets: 0n, bytes: 0n },
      ],
    });
    const { stdout } = await world.outboard('counters securitypolicy web -t acme');
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ['DIRECTION', 'RULE', 'DPU', 'PACKETS', 'BYTES'],
      ['INGRESS', 'http', 'all', '7', '700'],
      ['INGRESS', 'ping', 'all', '0', '0'],
      ['INGRESS', 'http', 'dpu-1', '7', '700'],
      ['INGRESS', 'ping', 'dpu-1', '0', '0'],
    ]);
    const json = await world.outboard('counters securitypolicy web -t acme -o json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      items: [{ dpu: 'dpu-1', rules: [{ packets: '7' }, {}] }],
    });
  });

  it('tells what the hops of a chain were given, and what of that they passed on', async () => {
    const chain = {
      apiVersion: 'network.outboard.dev/v1alpha1',
      kind: 'ServiceChain',
      metadata: { tenant: 'acme', name: 'out' },
      spec: {
        ports: ['web-0'],
        destination: { external: true },
        hops: [{ name: 'firewall', ingressPort: 'firewall' }],
      },
    };
    await world.outboard('apply -f -', list(port('firewall', { function: functionOf(1) }), chain));
    await world.showCounters({
      hops: [{ hop: 'firewall', direction: 'FORWARD', packets: 7n, bytes: 700n, passedPackets: 5n }],
    });
    const { stdout } = await world.outboard('counters servicechain out -t acme');
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['DPU', 'HOP', 'DIRECTION', 'PACKETS', 'BYTES', 'PASSED-PACKETS', 'PASSED-BYTES'],
      ['dpu-1', 'firewall', 'FORWARD', '7', '700', '5', '0'],
      [''],
    ]);
  });
});
