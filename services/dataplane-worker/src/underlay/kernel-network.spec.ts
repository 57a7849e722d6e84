import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AF,
  applyAll,
  IFA_F,
  link,
  linkByName,
  NetlinkSocket,
  NetworkNamespace,
  RT_TABLE,
  RTPROT,
  route,
  upFlags,
} from '@outboard/netlink';
import { addressMessageOf } from './address-messages.js';
import type { Configuration } from './configuration.js';
import { KernelNetwork } from './kernel-network.js';
import { affectedBy, planChange, planRestore, type Step } from './plan-change.js';
import { byKey, keyOf, type Setting } from './settings.js';

const NAME = `ob-underlay-${process.pid}`;

const WANTED: Configuration = {
  uid: 'u',
  generation: 1,
  interfaces: [
    {
      device: 'p0',
      mtu: 9_000,
      up: true,
      addresses: ['10.0.7.1/24', 'fd00:7::1/64'],
      exclusiveAddresses: true,
    },
    { device: 'peer', master: 'br0', addresses: [], exclusiveAddresses: false },
  ],
  routes: [
    { destination: '0.0.0.0/0', gateway: '10.0.7.254', device: '', metric: 0 },
    { destination: 'fd01::/64', gateway: 'fe80::1', device: 'p0', metric: 5 },
    { destination: '10.9.0.0/16', gateway: '', device: 'p0', metric: 7 },
  ],
  confirmTimeoutSeconds: 30,
};

describe('the network of a DPU in its kernel', () => {
  let namespace: NetworkNamespace;
  let socket: NetlinkSocket;
  let kernel: KernelNetwork;

  beforeEach(async () => {
    namespace = NetworkNamespace.create(NAME);
    socket = NetlinkSocket.open({ namespace });
    kernel = new KernelNetwork({ namespace });
    const peer = { ifname: 'peer' };
    await applyAll(socket, 'set-up', [
      link.create({ ifname: 'p0', ifiIndex: 10, linkinfo: { kind: 'veth', data: { peer } } }),
      link.change({ ifiIndex: 10, ...upFlags() }),
      link.change({ ifname: 'peer', ...upFlags() }),
      link.create({ ifname: 'br0', linkinfo: { kind: 'bridge' } }),
    ]);
    const boot = (address: string) => ({ kind: 'address' as const, device: 'p0', address });
    await applyAll(socket, 'addresses', [
      addressMessageOf('set', boot('10.0.0.1/24'), 10),
      addressMessageOf('set', boot('10.0.0.2/24'), 10),
      addressMessageOf('set', { ...boot('fd00::1/64'), attributes: { scope: 0, flags: IFA_F.NODAD } }, 10),
    ]);
    const usual = { rtmFamily: AF.INET, rtmTable: RT_TABLE.MAIN, rtmType: 1, rtmProtocol: RTPROT.STATIC };
    await applyAll(socket, 'routes', [
      route.create({ ...usual, gateway: '10.0.0.254', oif: 10 }),
      route.create({
        ...usual,
        dst: '10.8.0.0',
        rtmDstLen: 16,
        priority: 3,
        multipath: [
          { rtnhFlags: 0, rtnhHops: 0, rtnhIfindex: 10, gateway: '10.0.0.253' },
          { rtnhFlags: 0, rtnhHops: 1, rtnhIfindex: 10, gateway: '10.0.0.252' },
        ],
      }),
    ]);
  });
  afterEach(() => {
    kernel[Symbol.dispose]();
    socket.close();
    namespace.close();
    NetworkNamespace.remove(NAME);
  });

  /** What is set of p0, without what the kernel adds to it. */
  const shown = async (): Promise<string[]> => {
    const { settings } = await kernel.observe();
    return [...settings.values()]
      .filter(({ kind, device }) => device === undefined || (device === 'p0' && kind !== 'master'))
      .map(textOf)
      .sort();
  };
  const textOf = (setting: Setting): string =>
    setting.kind === 'mtu'
      ? `${keyOf(setting)} ${setting.mtu}`
      : setting.kind === 'state'
        ? `${keyOf(setting)} ${setting.up}`
        : setting.kind === 'route'
          ? `${keyOf(setting)} ${setting.gateway ?? ''}${(setting.attributes?.hops ?? []).map((hop) => hop.gateway)}`
          : keyOf(setting);
  const masterOfPeer = async (): Promise<Setting | undefined> =>
    (await kernel.observe()).settings.get('master/peer');
  const steps = (): Promise<readonly Step[]> =>
    kernel.observe().then((observed) => {
      const plan = planChange(observed, WANTED, new Map());
      return plan.steps;
    });

  it('becomes what a configuration says, though what goes takes other things along, and comes back wholly', async () => {
    const boot = await shown();
    expect(boot).toEqual([
      'address/p0/10.0.0.1/24',
      'address/p0/10.0.0.2/24',
      'address/p0/fd00::1/64',
      'mtu/p0 1500',
      'route/0.0.0.0/0/0 10.0.0.254',
      'route/10.8.0.0/16/3 10.0.0.253,10.0.0.252',
      'state/p0 true',
    ]);
    const observed = await kernel.observe();
    const plan = planChange(observed, WANTED, new Map());
    expect(plan.problem).toBeUndefined();
    const touched = [...plan.goal.present.keys(), ...plan.goal.absent];
    const before = byKey(affectedBy(observed.settings, touched, plan.steps));
    for (let round = 0; round < 3; round++) await kernel.apply(await steps());
    expect(await shown()).toEqual([
      'address/p0/10.0.7.1/24',
      'address/p0/fd00:7::1/64',
      'mtu/p0 9000',
      'route/0.0.0.0/0/0 10.0.7.254',
      // Somebody else's.
      'route/10.8.0.0/16/3 10.0.0.253,10.0.0.252',
      'route/10.9.0.0/16/7 ',
      'route/fd01::/64/5 fe80::1',
      'state/p0 true',
    ]);
    expect(await masterOfPeer()).toMatchObject({ master: 'br0' });
    for (let round = 0; round < 3; round++)
      await kernel.apply(planRestore(await kernel.observe(), before, touched));
    expect(await shown()).toEqual(boot);
    expect(await masterOfPeer()).toMatchObject({ master: '' });
  });

  it('says which step was refused, in the words of the kernel', async () => {
    await kernel.observe();
    const setting = { kind: 'mtu', device: 'p0', mtu: 20 } as const;
    await expect(kernel.apply([{ action: 'set', setting }])).rejects.toThrow(/^mtu 20 of p0: .*EINVAL/);
  });

  it('tells of changes to devices of interest, and of no others', async () => {
    await kernel.observe();
    let tell: () => void = () => {};
    const heard = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const others: string[] = [];
    const watches = [
      kernel.watch(
        () => tell(),
        (name) => name === 'p0',
      ),
      kernel.watch(
        () => others.push('heard'),
        (name) => name === 'p9',
      ),
    ];
    const device = await linkByName(socket, 'p0');
    await socket.send(link.change({ ifiIndex: device?.ifiIndex ?? 0, mtu: 1_400 }));
    await heard;
    expect(others).toEqual([]);
    for (const watch of watches) watch[Symbol.dispose]();
  });
});
