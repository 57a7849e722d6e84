import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  ETHER_TYPE,
  encapsulated,
  etherTypeOf,
  FrameCapture,
  type Pod,
  ping,
  Testbed,
  tcpConnect,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import { ovsPackets } from '../../test/packet-worlds.js';
import type { Driver, Spec } from '../driver.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';

jest.setTimeout(60_000);

const MTU = 1450;
/** Two networks with the same addresses, on the cable that tunnels leave by, too. */
const NETWORKS = [
  { uid: '0192f3c1-0000-7000-8000-000000000101', vlanId: 101, tenant: 'acme' },
  { uid: '0192f3c1-0000-7000-8000-000000000102', vlanId: 102, tenant: 'globex' },
] as const;
const ADDRESSES: Record<string, [ipv4: string, ipv6: string]> = {
  'dpu-1': ['10.0.1.11', 'fd00:1::11'],
  'dpu-2': ['10.0.1.12', 'fd00:1::12'],
};
const macOf = (vlanId: number, dpu: string): string =>
  `02:00:5e:00:${vlanId - 91}:${dpu === 'dpu-1' ? 11 : 12}`;

function entriesFor(dpu: string, uplink: string): d.Entry[] {
  return NETWORKS.flatMap(({ uid, vlanId, tenant }, index) => [
    d.router(tenant, 'main'),
    d.bridgeDomain(uid, {
      networkType: 'VLAN',
      vlanId,
      uplink,
      vni: 0,
      mtu: MTU,
      router: `router/${tenant}/main`,
    }),
    d.endpoint(`${tenant}-${dpu}`, uid, {
      macAddress: macOf(vlanId, dpu),
      representor: `pf0vf${index}`,
      ipAddresses: [...(ADDRESSES[dpu] ?? [])],
    }),
  ]);
}

describe('VLAN networks on Open vSwitch', () => {
  const world = ovsPackets();
  const open: AsyncDisposable[] = [];
  let testbed: Testbed;
  const pod = (tenant: string, dpu: string): Pod => testbed.pod(`${tenant}-${dpu}`);

  beforeAll(async () => {
    testbed = await Testbed.create({
      name: `l${process.pid.toString(36)}`,
      dpus: ['dpu-1', 'dpu-2'].map((name, index) => ({
        name,
        serialNumber: `S${index}`,
        pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
        functions: 2,
        checksumOffload: false,
      })),
    });
    for (const dpu of testbed.dpus.values()) {
      const driver: Driver<Spec> = await world.open(dpu);
      const probe = await EngineProbe.start(driver);
      open.unshift(probe, driver);
      const report = await probe.apply(d.document(1, entriesFor(dpu.name, dpu.plan.underlay.device)));
      expect(report.problems).toEqual([]);
      for (const [index, { tenant, vlanId }] of NETWORKS.entries()) {
        const made = await testbed.createPod({ name: `${tenant}-${dpu.name}`, host: dpu.host.name });
        await made.attach(dpu, index, {
          mtu: MTU,
          macAddress: macOf(vlanId, dpu.name),
          addresses: (ADDRESSES[dpu.name] ?? []).map((ip, family) => ({
            ip,
            prefixLength: family === 0 ? 24 : 64,
          })),
        });
      }
    }
  });
  afterAll(async () => {
    for (const each of open) await each[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await testbed.dispose();
  });

  it.each(NETWORKS)(
    'reach the other DPU over the fabric, with the tag $vlanId and no tunnel',
    async (network) => {
      const dpu = testbed.dpu('dpu-1');
      const tags = new Set<number>();
      // The other network is on the same cable: its pods look for routers now and then.
      const sources = ['dpu-1', 'dpu-2'].map((name) => macOf(network.vlanId, name).replaceAll(':', ''));
      let tunnelled = 0;
      const capture = await FrameCapture.open(dpu, dpu.plan.underlay.device, (frame) => {
        if (encapsulated(frame) !== undefined) tunnelled++;
        if (etherTypeOf(frame) !== ETHER_TYPE.VLAN) return true;
        if (sources.includes(frame.toString('hex', 6, 12))) tags.add(frame.readUInt16BE(14) & 0xfff);
        return true;
      });
      try {
        const from = pod(network.tenant, 'dpu-1');
        for (const ip of ADDRESSES['dpu-2'] ?? []) await waitReachable(from, ip);
        const to = pod(network.tenant, 'dpu-2');
        expect(await tcpConnect(from, to, 8080)).toMatchObject({ kind: 'echoed', server: to.name });
        await waitUntil('a tagged frame is seen', async () => {
          void capture.report;
          return tags.size > 0 ? undefined : 'none';
        });
        expect({ tags: [...tags], tunnelled }).toEqual({ tags: [network.vlanId], tunnelled: 0 });
      } finally {
        capture[Symbol.dispose]();
      }
    },
  );

  it('with the same addresses stay apart', async () => {
    for (const { tenant } of NETWORKS)
      expect(await tcpConnect(pod(tenant, 'dpu-2'), pod(tenant, 'dpu-1'), 8081)).toMatchObject({
        server: `${tenant}-dpu-1`,
      });
  });

  it('ask for what is unknown in their own VLAN only', async () => {
    const seen: string[] = [];
    const capture = await FrameCapture.open(pod('globex', 'dpu-2'), 'eth0', (frame, direction) => {
      if (direction === 'in' && etherTypeOf(frame) === ETHER_TYPE.ARP) seen.push('globex');
      return true;
    });
    const own = await FrameCapture.open(pod('acme', 'dpu-2'), 'eth0', (frame, direction) => {
      if (direction === 'in' && etherTypeOf(frame) === ETHER_TYPE.ARP) seen.push('acme');
      return true;
    });
    try {
      await ping(pod('acme', 'dpu-1'), '10.0.1.99', { timeoutMilliseconds: 200 });
      await waitUntil('the question arrives', async () => {
        void own.report;
        void capture.report;
        return seen.length > 0 ? undefined : 'it does not';
      });
      expect(new Set(seen)).toEqual(new Set(['acme']));
    } finally {
      capture[Symbol.dispose]();
      own[Symbol.dispose]();
    }
  });
});
