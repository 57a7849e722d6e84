import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import { IFF } from '@outboard/netlink';
import { type Pod, UdpFlow, waitConnected, waitUntil } from '@outboard/testbed';
import { parseDocument } from 'yaml';
import { DpuNetworks } from './dpu-networks.js';

const DPUS = ['a', 'b', 'c'].map((letter, index) => ({
  name: `dpu-${letter}`,
  serialNumber: `OB-NET-${index + 1}`,
  pfMacAddress: `02:0b:00:00:0${index + 1}:00`,
  functions: 2,
}));

const portOn = (index: number): Manifest => {
  const { serialNumber, pfMacAddress } = DPUS[index] as (typeof DPUS)[number];
  return {
    kind: 'Port',
    metadata: { name: `port-${index + 1}` },
    spec: {
      network: 'red',
      function: { serialNumber, pfMacAddress, vfNumber: 0 },
      addresses: [{ subnet: 'red-v4' }, { subnet: 'red-v6' }],
    },
  };
};

/** What a network admin says of the uplink. */
const uplink = (address: string, more: object = {}) => ({
  interfaces: [{ device: 'up0', adminState: 'UP', addresses: [address], exclusiveAddresses: true, ...more }],
});
/** What `examples/dpu-network` says of dpu-a. */
function example(): object {
  const file = new URL('../../examples/dpu-network/dpu-a.yaml', import.meta.url);
  return parseDocument(readFileSync(file, 'utf8')).toJS().spec;
}

const MANAGEMENT_DOWN = { interfaces: [{ device: 'mgmt0', adminState: 'DOWN' }] };
const WORKER = 'dataplane-worker';

/** Everything runs for real. Tunnels, the bus and the configuration of both go through the DPUs' own kernels. */
describe('the network of a DPU', () => {
  let stack: LocalStack;
  let acme: Workspace;
  let networks: DpuNetworks;
  let pods: Pod[];

  const isUp = async (dpu: string, device: string): Promise<boolean> =>
    ((await networks.device(dpu, device)).ifiFlags & IFF.UP) !== 0;
  const waitUp = (dpu: string, device: string, up: boolean): Promise<void> =>
    waitUntil(
      `${device} of ${dpu} ${up ? 'up' : 'down'}`,
      async () => ((await isUp(dpu, device)) === up ? undefined : 'it is not'),
      20_000,
    );

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'dpu-network', dpus: DPUS, drivers: { 'dpu-c': 'ovs' } });
    networks = await DpuNetworks.open(stack);
    acme = await stack.workspace('acme');
    await acme.apply(
      { kind: 'Network', metadata: { name: 'red' }, spec: {} },
      { kind: 'Subnet', metadata: { name: 'red-v4' }, spec: { network: 'red', cidr: '10.9.0.0/24' } },
      { kind: 'Subnet', metadata: { name: 'red-v6' }, spec: { network: 'red', cidr: 'fd00:9::/64' } },
      ...DPUS.map((_, index) => portOn(index)),
    );
    pods = [];
    for (const index of DPUS.keys()) pods.push(await acme.connectPod(`port-${index + 1}`));
    await waitConnected(pods);
  }, 60_000);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  }, 30_000);

  it.each([
    ['dpu-a', 'the kernel', '10.254.0.101', example()],
    ['dpu-c', 'Open vSwitch', '10.254.0.103', uplink('10.254.0.103/24')],
  ])(
    'is changed on %s (%s): the tunnels of the other DPUs follow its new address',
    async (dpu, _, address, spec) => {
      const generation = await networks.apply(dpu, spec);
      await networks.settled(dpu, generation);
      await networks.underlay(dpu, address);
      await waitConnected(pods);
      const holder = dpu === 'dpu-c' ? 'obu0' : 'up0';
      expect(await networks.addresses(dpu, holder)).toEqual([`${address}/24`]);
    },
    60_000,
  );

  it('is made again after the DPU has been rebooted, when its kernel has forgotten all', async () => {
    await stack.testbed.rebootDpu('dpu-a');
    await networks.underlay('dpu-a', '10.254.0.101');
    expect(await networks.addresses('dpu-a', 'up0')).toEqual(['10.254.0.101/24']);
    await waitConnected(pods);
  }, 60_000);

  it.each([
    ['takes its management port down', { adminState: 'DOWN' }],
    [
      'takes the address of its management port away',
      { addresses: ['192.0.2.9/24'], exclusiveAddresses: true },
    ],
  ])(
    'that %s comes back by itself, and what runs on the DPU does not notice',
    async (_, change) => {
      const [near, , far] = pods as [Pod, Pod, Pod];
      const flow = UdpFlow.start({ from: near, to: far });
      const management = async (): Promise<string> =>
        `${await isUp('dpu-a', 'mgmt0')} ${await networks.addresses('dpu-a', 'mgmt0')}`;
      const isCut = async (): Promise<boolean> => (await management()) !== 'true 10.255.0.1/23';
      const generation = await networks.apply('dpu-a', {
        interfaces: [...uplink('10.254.0.101/24').interfaces, { device: 'mgmt0', ...change }],
      });
      await waitUntil('the cut', async () => ((await isCut()) ? undefined : await management()));
      await waitUntil('the way back', async () => ((await isCut()) ? await management() : undefined), 20_000);
      const [, message] = await networks.settled('dpu-a', generation, ['RolledBack']);
      expect(message).toContain('the control plane was not reached in 5 s');
      await networks.underlay('dpu-a', '10.254.0.101');
      const { lost } = await flow.stop();
      expect(lost).toBe(0);
      const next = await networks.apply('dpu-a', { ...uplink('10.254.0.101/24'), attempt: generation });
      await networks.settled('dpu-a', next);
    },
    60_000,
  );

  it('may be that of the way to the bus itself: the worker is heard from its new address at once', async () => {
    for (const address of ['10.255.0.99/23', '10.255.0.1/23']) {
      const management = { device: 'mgmt0', addresses: [address], exclusiveAddresses: true };
      const generation = await networks.apply('dpu-a', {
        interfaces: [...uplink('10.254.0.101/24').interfaces, management],
      });
      await networks.settled('dpu-a', generation);
      expect(await networks.addresses('dpu-a', 'mgmt0')).toEqual([address]);
      await networks.underlay('dpu-a', '10.254.0.101');
    }
  }, 60_000);

  it('comes back after the worker was killed before the change was confirmed', async () => {
    const generation = await networks.apply('dpu-b', MANAGEMENT_DOWN);
    await waitUp('dpu-b', 'mgmt0', false);
    await stack.stack.kill(`${WORKER}/dpu-b`);
    expect(await isUp('dpu-b', 'mgmt0')).toBe(false);
    await stack.stack.restart(`${WORKER}/dpu-b`);
    expect(await isUp('dpu-b', 'mgmt0')).toBe(true);
    const [, message] = await networks.settled('dpu-b', generation, ['RolledBack']);
    expect(message).toContain('the worker ended before the change was confirmed');
    await waitConnected(pods);
  }, 60_000);

  it('is old or new, never between, whenever the worker is killed', async () => {
    const states = [
      { address: '10.254.0.2/24', mtu: 1_500 },
      { address: '10.254.0.102/24', mtu: 1_480 },
    ] as const;
    const shown = async (): Promise<string> =>
      `${await networks.addresses('dpu-b', 'up0')} ${(await networks.device('dpu-b', 'up0')).mtu}`;
    await networks.settled('dpu-b', await networks.apply('dpu-b', uplink(states[0].address, { mtu: 1_500 })));
    let attempt = 0;
    for (const wanted of [states[1], states[0], states[1], states[0], states[1], states[0]]) {
      const before = await shown();
      const spec = { ...uplink(wanted.address, { mtu: wanted.mtu }), attempt: ++attempt };
      const generation = await networks.apply('dpu-b', spec);
      // With the first step that is seen, or some time after the order, whatever has come of it by then.
      const turns = attempt % 2 === 1 ? 10_000 : attempt * attempt;
      for (let turn = 0; turn < turns && (attempt % 2 === 0 || (await shown()) === before); turn++)
        await networks.device('dpu-b', 'up0');
      await stack.stack.kill(`${WORKER}/dpu-b`);
      await stack.stack.restart(`${WORKER}/dpu-b`);
      const [reason] = await networks.settled('dpu-b', generation, ['RolledBack', 'Confirmed']);
      const now = await shown();
      expect(states.map(({ address, mtu }) => `${address} ${mtu}`)).toContain(now);
      if (reason === 'Confirmed') expect(now).toBe(`${wanted.address} ${wanted.mtu}`);
    }
    await waitConnected(pods);
  }, 120_000);

  it('is given back as it was when its configuration is deleted', async () => {
    for (const { name } of DPUS) await networks.delete(name);
    for (const [index, { name }] of DPUS.entries()) await networks.underlay(name, `10.254.0.${index + 1}`);
    expect((await networks.device('dpu-a', 'up0')).mtu).toBe(1_500);
    await waitConnected(pods);
  }, 60_000);
});
