import { execFileSync } from 'node:child_process';
import { invariant } from '@outboard/core';
import {
  AF,
  addressMessage,
  defaultRouteMessage,
  filter,
  filterInfo,
  link,
  type Message,
  NetlinkSocket,
  NetworkNamespace,
  NFPROTO,
  NTF,
  NUD,
  neighbour,
  nftSetElement,
  ONE_QUEUE,
  parseLinkAddress,
  qdisc,
  redirectAll,
  TC_CLSACT,
  TC_H,
  upFlags,
  withSocket,
} from '@outboard/netlink';

const POD_DEVICE = 'bare0';
const BRIDGE = 10;
const MTU = 1450;
const TABLE = 'bare';
const INGRESS_HANDLE = 0xffff0000;
const ETH_P_ALL = 3;
/** Indexes of the n-th function's representor, and of the two ends of its veth. */
const indexesOf = (number: number) => ({
  representor: 1_000 + number,
  veth: 5_000 + number,
  port: 9_000 + number,
});

/**
 * The kernel's part of attaching a port and nothing else: the objects that a worker makes for an endpoint with one
 * IPv4 address (docs/dataplane.md), written by hand for functions that are there, nothing compared, nothing read back.
 */
export class BareAttach implements Disposable {
  private constructor(
    private readonly names: readonly string[],
    private readonly router: NetworkNamespace,
    private readonly hostRoute: NetlinkSocket,
    private readonly dpuRoute: NetlinkSocket,
    private readonly routerRoute: NetlinkSocket,
    private readonly routerRules: NetlinkSocket,
  ) {}

  /** Namespaces of a DPU with so many functions, of its host, and of a router with a bridge and the sets of its guard. */
  static async open(prefix: string, functions: number): Promise<BareAttach> {
    const names = ['dpu', 'host', 'router'].map((part) => `${prefix}${part}`);
    const [dpu, host, router] = names.map((name) => NetworkNamespace.create(name)) as [
      NetworkNamespace,
      NetworkNamespace,
      NetworkNamespace,
    ];
    const bare = new BareAttach(
      names,
      router,
      NetlinkSocket.open({ namespace: host }),
      NetlinkSocket.open({ namespace: dpu }),
      NetlinkSocket.open({ namespace: router }),
      NetlinkSocket.open({ namespace: router, protocol: 'netfilter' }),
    );
    const skeleton = `table bridge ${TABLE} {
      set macs { typeof iifname . ether saddr; }
      set ipv4 { typeof iifname . ether saddr . ip saddr; }
    }`;
    router.run(() => execFileSync('nft', ['-f', '-'], { input: skeleton }));
    await must(bare.routerRoute, [
      link.create({ ifname: 'br', ifiIndex: BRIDGE, linkinfo: { kind: 'bridge' }, ...upFlags() }),
    ]);
    await must(
      bare.dpuRoute,
      Array.from({ length: functions }, (_, number) => functionLink(number, host.descriptor)),
    );
    dpu.close();
    host.close();
    return bare;
  }

  /** Milliseconds of attaching that function. */
  async attach(number: number): Promise<number> {
    const { representor, veth, port } = indexesOf(number);
    const mac = `02:00:5e:01:${hex(number >> 8)}:${hex(number & 255)}`;
    const ip = Uint8Array.of(10, 1, number >> 8, number & 255);
    const peer = {
      ...ONE_QUEUE,
      ifname: `p${number}`,
      ifiIndex: port,
      mtu: MTU,
      netNsFd: this.router.descriptor,
    };
    const ingress = (ifindex: number) =>
      qdisc.create({ ifindex, handle: INGRESS_HANDLE, parent: TC_H.INGRESS, kind: 'ingress' });
    const start = performance.now();
    await must(this.dpuRoute, [
      link.create({
        ...ONE_QUEUE,
        ifname: `v${number}`,
        ifiIndex: veth,
        mtu: MTU,
        linkinfo: { kind: 'veth', data: { peer } },
      }),
      // Before the devices are up, and some time before there are filters: the kernel waits for nothing then.
      ingress(representor),
      ingress(veth),
      link.change({ ifiIndex: veth, ifalias: `bare:${number}`, ...upFlags() }),
    ]);
    await must(this.routerRoute, [
      link.change({ ifiIndex: port, ifalias: `bare:${number}`, master: BRIDGE, ...upFlags() }),
      link.change({
        ifiIndex: port,
        linkinfo: { slaveKind: 'bridge', slaveData: { learning: false, unicastFlood: false } },
      }),
      neighbour.replace({
        ndmFamily: AF.BRIDGE,
        ndmIfindex: port,
        ndmState: NUD.NOARP,
        ndmFlags: NTF.MASTER,
        lladdr: mac,
      }),
      neighbour.create({
        ndmFamily: AF.INET,
        ndmIfindex: BRIDGE,
        ndmState: NUD.PERMANENT,
        dst: `10.1.${number >> 8}.${number & 255}`,
        lladdr: mac,
      }),
    ]);
    const { failures } = await this.routerRules.transaction([
      element('macs', elementKey(peer.ifname, mac)),
      element('ipv4', Buffer.concat([elementKey(peer.ifname, mac), ip])),
    ]);
    expectNone(failures);
    await must(this.dpuRoute, [
      redirect(representor, veth),
      redirect(veth, representor),
      link.change({ ifiIndex: representor, ifalias: `bare:${number}`, mtu: MTU, ...upFlags() }),
    ]);
    return performance.now() - start;
  }

  /** Milliseconds of moving that function's device from the host into a pod, where it is configured. */
  async give(number: number, pod: NetworkNamespace): Promise<number> {
    const device = hostDevice(number);
    const start = performance.now();
    const { ifiIndex } = await this.hostRoute.get(link.get({ ifname: device }));
    await must(this.hostRoute, [link.change({ ifiIndex, netNsFd: pod.descriptor, ifname: POD_DEVICE })]);
    await withSocket(pod, async (socket) => {
      const moved = await socket.get(link.get({ ifname: POD_DEVICE }));
      await must(socket, [
        link.change({ ifiIndex: moved.ifiIndex, mtu: MTU, address: '02:00:5e:01:ff:ff' }),
        link.change({ ifiIndex: moved.ifiIndex, ...upFlags() }),
        addressMessage(moved.ifiIndex, { ip: '10.1.255.5', prefixLength: 16 }),
        defaultRouteMessage(moved.ifiIndex, '10.1.0.1'),
      ]);
    });
    return performance.now() - start;
  }

  /** Destroys what `give` has put into a pod. */
  async remove(pod: NetworkNamespace): Promise<void> {
    await withSocket(pod, async (socket) => {
      const { ifiIndex } = await socket.get(link.get({ ifname: POD_DEVICE }));
      await must(socket, [link.remove({ ifiIndex })]);
    });
  }

  [Symbol.dispose](): void {
    for (const socket of [this.hostRoute, this.dpuRoute, this.routerRoute, this.routerRules]) socket.close();
    this.router.close();
    for (const name of this.names) NetworkNamespace.remove(name);
  }
}

const hostDevice = (number: number): string => `f${number}`;

const functionLink = (number: number, netNsFd: number): Message =>
  link.create({
    ifname: `r${number}`,
    ifiIndex: indexesOf(number).representor,
    ...ONE_QUEUE,
    linkinfo: { kind: 'veth', data: { peer: { ...ONE_QUEUE, ifname: hostDevice(number), netNsFd } } },
  });

const redirect = (ifindex: number, target: number): Message =>
  filter.replace({
    ifindex,
    parent: TC_CLSACT.INGRESS,
    info: filterInfo(200, ETH_P_ALL),
    kind: 'u32',
    options: redirectAll(target),
  });

const element = (set: string, value: Uint8Array): Message =>
  nftSetElement.replace({ nfgenFamily: NFPROTO.BRIDGE, table: TABLE, set, elements: [{ key: { value } }] });

/** IFNAMSIZ bytes of the port's name, then the MAC address padded to a multiple of four. */
function elementKey(port: string, mac: string): Buffer {
  const key = Buffer.alloc(24);
  key.write(port, 0, 16);
  parseLinkAddress(mac, key, 16);
  return key;
}

async function must(socket: NetlinkSocket, messages: readonly Message[]): Promise<void> {
  expectNone((await socket.batch(messages)).failures);
}

const expectNone = (failures: readonly unknown[]): void =>
  invariant(failures.length === 0, `the kernel refused: ${JSON.stringify(failures.slice(0, 3))}`);

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
