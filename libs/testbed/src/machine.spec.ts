import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { link, linkByName, NetworkNamespace, withSocket } from '@outboard/netlink';
import type { Dpu } from './places.js';
import { waitReachable } from './probes/ping.js';
import type { Program } from './program.js';
import { Testbed } from './testbed.js';
import { bridgeAll, specification } from './testing.js';

let testbed: Testbed;
let first: Dpu;
let second: Dpu;

beforeAll(async () => {
  testbed = await Testbed.create(specification(2, 1));
  [first, second] = [...testbed.dpus.values()] as [Dpu, Dpu];
});

afterEach(async () => {
  const programs = [...testbed.programs].filter(({ name }) => !name.startsWith('machine/'));
  for (const program of programs) await testbed.removeProgram(program);
});

afterAll(() => testbed.dispose());

const run = async (dpu: Dpu, name: string, script: string): Promise<Program> => {
  const program = testbed.program(dpu, {
    name,
    command: ['sh', '-c', `${script}; echo done; exec sleep infinity`],
    isReady: (line) => line === 'done',
  });
  await program.start();
  return program;
};

it('a program on a DPU is in its network', async () => {
  const program = await run(first, 'look', 'ip -br link');
  expect(program.tail).toMatch(/^pf0vf0@/m);
  expect(program.tail).toMatch(/^up0@/m);
});

it('namespaces of the same name on two DPUs are different ones, and none of them is seen outside', async () => {
  await run(first, 'router-1', 'ip netns add ob-router && ip -n ob-router link add in-first type bridge');
  await run(second, 'router-2', 'ip netns add ob-router && ip -n ob-router link add in-second type bridge');
  for (const [dpu, device] of [
    [first, 'in-first'],
    [second, 'in-second'],
  ] as const) {
    expect(await dpu.machine.namespaces()).toEqual(['ob-router']);
    const namespace = await dpu.machine.openNamespace('ob-router');
    const links = await withSocket(namespace, (socket) => socket.dump(link.dump()));
    namespace.close();
    expect(links.map(({ ifname }) => ifname)).toEqual(['lo', device]);
  }
  expect(NetworkNamespace.list('ob-router')).toEqual([]);
  await expect(first.machine.openNamespace('other')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

it('what a program made stays when it is killed, and a later program finds it', async () => {
  const maker = await run(first, 'maker', 'ip netns add ob-kept');
  await maker.kill();
  const finder = await run(first, 'finder', 'ip netns list');
  expect(finder.tail).toMatch(/^ob-kept/m);
});

it('a namespace that is removed outside is not kept alive by a machine that started before', async () => {
  const pod = await testbed.createPod({ name: 'short', host: first.plan.host });
  await pod.attach(first, 0, { mtu: 1500, addresses: [] });
  await run(second, 'late', 'true');
  await testbed.removePod('short');
  const { pid } = second.machine.program;
  expect(existsSync(`/proc/${pid}/root/run/netns/ob-${testbed.name}.pod.short`)).toBe(false);
});

it('a DPU that is rebooted comes back bare, with its programs; its pods keep their functions', async () => {
  const pod = await testbed.createPod({ name: 'stays', host: first.plan.host });
  await pod.attach(first, 0, { mtu: 1500, addresses: [{ ip: '10.0.1.5', prefixLength: 24 }] });
  await bridgeAll(first);
  await first.socket.send(link.change({ ifiIndex: first.function(0).index, ifalias: 'outboard', mtu: 1400 }));
  const program = await run(first, 'resident', 'ip netns list | wc -l; ip -br link | wc -l');
  const before = { inode: first.namespace.inode, pid: program.pid };
  expect(program.tail).toMatch(/^[1-9]\d*\n6\ndone$/);

  await testbed.rebootDpu('dpu-1');

  expect(first.namespace.inode).not.toBe(before.inode);
  expect(program.isRunning).toBe(true);
  expect(program.pid).not.toBe(before.pid);
  // No router is left, and the bridge is gone: the loopback, two cables and two representors are there.
  expect(program.tail).toMatch(/\n0\n5\ndone$/);
  const representor = await linkByName(first.socket, 'pf0vf0');
  expect(representor).toMatchObject({ mtu: 1500 });
  expect([representor?.ifalias ?? '', representor?.master, (representor?.ifiFlags ?? 0) & 1]).toEqual([
    '',
    undefined,
    0,
  ]);
  const devices = await withSocket(pod.namespace, (socket) => socket.dump(link.dump()));
  expect(devices.map(({ ifname }) => ifname)).toEqual(['lo', 'eth0']);
  await waitReachable(first, '10.254.0.2');
  await waitReachable(first, testbed.plan.control.ip);
});
