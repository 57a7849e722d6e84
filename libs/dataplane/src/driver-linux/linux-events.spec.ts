import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AF, address, link, linkByName, NetlinkSocket, NetworkNamespace, upFlags } from '@outboard/netlink';
import { type Dpu, Testbed, waitUntil } from '@outboard/testbed';
import type { Change } from '../driver.js';
import { OUTBOARD_GROUP } from '../kernel/device.js';
import { bridgeName, namespaceName } from '../realise/names.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { LinuxDriver } from './linux-driver.js';

let worlds = 0;

describe('the Linux driver', () => {
  let testbed: Testbed;
  let dpu: Dpu;
  let driver: LinuxDriver;
  let name: string;
  const changes: Change[] = [];
  const told = (kind: Change['kind']): Promise<void> =>
    waitUntil(`a change of ${kind} is told`, async () =>
      changes.some((change) => change.kind === kind) ? undefined : JSON.stringify(changes),
    );

  beforeEach(async () => {
    name = `e${process.pid.toString(36)}${++worlds}`;
    testbed = await Testbed.create({
      name,
      dpus: [{ name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: 2 }],
    });
    dpu = testbed.dpu('dpu-1');
    driver = await LinuxDriver.open({
      dpu: name,
      underlayDevice: dpu.plan.underlay.device,
      namespace: NetworkNamespace.open({ name: dpu.plan.namespace }),
    });
    changes.length = 0;
    driver.watch((change) => changes.push(change));
  });
  afterEach(async () => {
    await driver[Symbol.asyncDispose]();
    for (const own of NetworkNamespace.list(`ob-${name}-`)) NetworkNamespace.remove(own);
    await testbed.dispose();
  });

  it('finds what it needs in this kernel, and says why where something is absent', () => {
    const capabilities = driver.capabilities();
    for (const needed of ['bridge', 'vxlan', 'veth', 'tc-redirect', 'nftables-bridge', 'nft'])
      expect(capabilities).toContainEqual({ name: needed, available: true, reason: '' });
    for (const { available, reason } of capabilities) expect(reason === '').toBe(available);
    expect(NetworkNamespace.list('ob-probe')).toEqual([]);
  });

  it('lists functions, and tells when one comes or goes', async () => {
    const listed = async (): Promise<string[]> => (await driver.functions()).map(({ netdev }) => netdev);
    expect(await listed()).toEqual(['pf0hpf', 'pf0vf0', 'pf0vf1']);
    expect(await driver.functions()).toContainEqual(
      expect.objectContaining({ flavour: 'PCI_VF', pfNumber: 0, vfNumber: 1, external: true }),
    );
    await dpu.socket.send(link.remove({ ifname: 'pf0vf0' }));
    await told('functions');
    expect(await listed()).toEqual(['pf0hpf', 'pf0vf1']);
  });

  it('knows its underlay, and tells when it is another', async () => {
    const { device } = dpu.plan.underlay;
    expect(driver.underlay()).toEqual({ device, address: '10.254.0.1', mtu: 1500, ipv6: true });
    const { ifiIndex } = (await linkByName(dpu.socket, device)) ?? { ifiIndex: 0 };
    await dpu.socket.send(link.change({ ifiIndex, mtu: 1400 }));
    await told('underlay');
    expect(driver.underlay()).toMatchObject({ mtu: 1400 });
    changes.length = 0;
    const own = {
      ifaFamily: AF.INET,
      ifaPrefixlen: 24,
      ifaIndex: ifiIndex,
      local: '10.254.0.1',
      address: '10.254.0.1',
    };
    await dpu.socket.send(address.remove(own));
    await told('underlay');
    // What is left is IPv6.
    expect(driver.underlay()?.address).toBe('fd00:254::1');
  });

  it('takes over what a crash left half made: a namespace without a mark, a device without an alias', async () => {
    const router = NetworkNamespace.create(namespaceName(name, d.ROUTER));
    const socket = NetlinkSocket.open({ namespace: router });
    const probe = await EngineProbe.start(driver);
    try {
      expect((await probe.apply(d.document(1, [d.router()]))).problems).toEqual([]);
      await socket.send(
        link.create({
          ifname: bridgeName('net-a'),
          group: OUTBOARD_GROUP,
          linkinfo: { kind: 'bridge' },
          ...upFlags(),
        }),
      );
      expect((await probe.apply(d.document(2, [d.router(), d.bridgeDomain('net-a')]))).problems).toEqual([]);
      expect(await linkByName(socket, bridgeName('net-a'))).toMatchObject({
        ifalias: 'outboard:network:bridgedomain/net-a',
      });
    } finally {
      await probe[Symbol.asyncDispose]();
      socket.close();
      router.close();
    }
  });

  it('wakes a route whose gateway becomes reachable, and leaves alone a route that is not ours', async () => {
    const probe = await EngineProbe.start(driver);
    const entries = [
      d.router(),
      d.bridgeDomain('net-a'),
      d.route('10.7.0.0/16', [{ gateway: '10.0.1.9', weight: 1 }]),
    ];
    const report = await probe.apply(d.document(1, entries));
    expect(report.problems).toEqual([
      expect.objectContaining({
        state: 'PENDING',
        message: expect.stringMatching(/^10\.7\.0\.0\/16: .*\(ENETUNREACH\)$/),
      }),
    ]);
    try {
      const routed = [...entries, d.routerInterface('net-a', ['10.0.1.1/24'])];
      probe.engine.submit(d.document(2, routed));
      await probe.until(({ problems, version }) => version.sequence === 2n && problems.length === 0);
      // The kernel's own route to the network stands where this one would.
      const foreign = await probe.apply(d.document(3, [...routed, d.route('10.0.1.0/24')]));
      expect(foreign.problems).toEqual([expect.objectContaining({ state: 'FOREIGN' })]);
    } finally {
      await probe[Symbol.asyncDispose]();
    }
  });

  it('gives a namespace that lost its name the name back, with all that is in it', async () => {
    const probe = await EngineProbe.start(driver);
    try {
      await probe.apply(d.document(1, [d.router(), d.bridgeDomain('net-a')]));
      const own = namespaceName(name, d.ROUTER);
      const inode = (): number => {
        const namespace = NetworkNamespace.open({ name: own });
        namespace.close();
        return namespace.inode;
      };
      const before = inode();
      NetworkNamespace.remove(own);
      await probe.until(({ repaired }) => repaired > 0);
      expect(inode()).toBe(before);
    } finally {
      await probe[Symbol.asyncDispose]();
    }
  });
});
