import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { link, NetworkNamespace } from '@outboard/netlink';
import { withSocket } from './links.js';
import type { Dpu } from './places.js';
import type { Program } from './program.js';
import { Testbed } from './testbed.js';
import { specification } from './testing.js';

let testbed: Testbed;
let first: Dpu;
let second: Dpu;

beforeAll(async () => {
  testbed = await Testbed.create(specification(2, 1));
  [first, second] = [...testbed.dpus.values()] as [Dpu, Dpu];
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
