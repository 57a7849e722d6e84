import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { link, NetworkNamespace, withSocket } from '@outboard/netlink';
import { connectivityMatrix, ping, waitReachable } from './probes/ping.js';
import { Testbed } from './testbed.js';
import { specification, uniqueName } from './testing.js';

const open: Testbed[] = [];
const create = async (...args: Parameters<typeof specification>): Promise<Testbed> => {
  const testbed = await Testbed.create(specification(...args));
  open.push(testbed);
  return testbed;
};

afterEach(async () => {
  for (const testbed of open.splice(0)) await testbed.dispose();
});

const namespacesOf = (name: string): string[] => NetworkNamespace.list(`ob-${name}.`);

async function ownLinks(): Promise<string[]> {
  const links = await withSocket(undefined, (socket) => socket.dump(link.dump()));
  return links.map(({ ifiIndex, ifname }) => `${ifiIndex} ${ifname}`);
}

describe('a testbed', () => {
  it('connects DPUs by the underlay, and DPUs and control by the management network', async () => {
    const testbed = await create(3, 0);
    const places = [...testbed.dpus.values()];
    const matrix = await connectivityMatrix(places);
    expect(matrix.failures).toEqual([]);
    // 3 DPUs x 2 others x 3 addresses (underlay IPv4 and IPv6, management).
    expect(matrix.entries).toHaveLength(18);
    for (const place of [...places, ...testbed.hosts.values()]) {
      expect(await ping(place, testbed.plan.control.ip)).toMatchObject({ received: 1 });
    }
    expect(await ping(testbed.control, '10.254.0.1')).toMatchObject({ received: 0 });
  });

  it('gives every function a representor on its DPU and a device on its host, both down', async () => {
    const testbed = await create(1, 2);
    const dpu = testbed.dpu('dpu-1');
    const [representors, devices] = await Promise.all(
      [dpu.socket, dpu.host.socket].map((socket) => socket.dump(link.dump())),
    );
    const names = (links: typeof representors = []): string[] =>
      links.map(({ ifname }) => ifname ?? '').sort();
    expect(names(representors)).toEqual(['lo', 'mgmt0', 'pf0hpf', 'pf0vf0', 'pf0vf1', 'up0']);
    expect(names(devices)).toEqual(['enp1s0f0', 'enp1s0f0v0', 'enp1s0f0v1', 'lo', 'mgmt0']);
    const pf = devices?.find(({ ifname }) => ifname === 'enp1s0f0');
    expect(pf).toMatchObject({ address: '08:c0:eb:00:00:01', mtu: 1500 });
    const up = [...(representors ?? []), ...(devices ?? [])].filter(({ ifiFlags }) => ifiFlags & 1);
    expect(names(up)).toEqual(['lo', 'lo', 'mgmt0', 'mgmt0', 'up0']);
  });

  it('puts the functions of several DPUs into one host', async () => {
    const { dpus, name } = specification(2, 1);
    const testbed = await Testbed.create({ name, dpus: dpus.map((dpu) => ({ ...dpu, host: 'server' })) });
    open.push(testbed);
    const devices = await testbed.host('server').socket.dump(link.dump());
    expect(devices.map(({ ifname }) => ifname)).toEqual(expect.arrayContaining(['enp1s0f0v0', 'enp2s0f0v0']));
  });

  it('makes nothing in the namespace of its caller', async () => {
    const before = await ownLinks();
    await create(2, 4);
    expect(await ownLinks()).toEqual(before);
  });

  it('leaves no namespace, no process and no directory when it is disposed of', async () => {
    const testbed = await create(2, 2);
    await testbed.createPod({ name: 'web', host: 'host-dpu-1' });
    const program = testbed.program(testbed.dpu('dpu-1'), {
      name: 'sleeper',
      command: ['sh', '-c', 'echo up; exec sleep infinity'],
      isReady: (line) => line === 'up',
    });
    await program.start();
    const { pid } = program;
    expect(namespacesOf(testbed.name)).toHaveLength(7);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    await testbed.dispose();
    expect(namespacesOf(testbed.name)).toEqual([]);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(existsSync(testbed.directory)).toBe(false);
    expect(existsSync(`/run/outboard-testbed/${testbed.name}.lock`)).toBe(false);
  });

  it('lives beside another with the same DPUs and addresses, and neither sees the other', async () => {
    const first = await create(2, 1);
    const second = await create(1, 1);
    await waitReachable(first.dpu('dpu-1'), '10.254.0.2');
    // 10.254.0.2 is in the first one only.
    const outcome = await ping(second.dpu('dpu-1'), '10.254.0.2', { timeoutMilliseconds: 100 });
    expect(outcome.received).toBe(0);
    await second.dispose();
    expect(await ping(first.dpu('dpu-1'), '10.254.0.2')).toMatchObject({ received: 1 });
  });

  it('cuts a DPU off when its cable is pulled, one network at a time', async () => {
    const testbed = await create(2, 0);
    const dpu = testbed.dpu('dpu-1');
    await waitReachable(dpu, '10.254.0.2');
    await testbed.setCable('dpu-1', 'underlay', 'pulled');
    expect(await ping(dpu, '10.254.0.2', { timeoutMilliseconds: 100 })).toMatchObject({ received: 0 });
    expect(await ping(dpu, testbed.plan.control.ip)).toMatchObject({ received: 1 });
    await testbed.setCable('dpu-1', 'underlay', 'plugged');
    await waitReachable(dpu, '10.254.0.2');
  });

  it('keeps what is in a directory of the caller', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'testbed-kept-'));
    try {
      const testbed = await Testbed.create({ ...specification(0, 0), directory });
      writeFileSync(join(testbed.directory, 'kept'), '');
      await testbed.dispose();
      expect(existsSync(join(directory, 'kept'))).toBe(true);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('leaves nothing when it cannot be built, and its name is free again', async () => {
    const name = uniqueName();
    const file = join(tmpdir(), `${name}-file`);
    writeFileSync(file, '');
    try {
      await expect(Testbed.create({ ...specification(1, 1, name), directory: file })).rejects.toMatchObject({
        code: 'EEXIST',
      });
      expect(namespacesOf(name)).toEqual([]);
      await create(1, 1, name);
    } finally {
      rmSync(file);
    }
  });

  it('names what is missing or in use', async () => {
    const testbed = await create(1, 1);
    const web = { name: 'web', host: 'host-dpu-1' };
    await testbed.createPod(web);
    expect(() => testbed.dpu('dpu-9')).toThrow('there is no DPU dpu-9');
    await expect(testbed.createPod(web)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(testbed.createPod({ name: 'db', host: 'nowhere' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'there is no host nowhere',
    });
    await expect(testbed.createPod({ name: 'a.b', host: 'host-dpu-1' })).rejects.toMatchObject({
      violations: [{ field: 'name' }],
    });
  });
});
