import { AppError } from '@outboard/core';
import {
  AF,
  address,
  IFA_F,
  link,
  type Message,
  NetlinkSocket,
  type NetworkNamespace,
  RT_SCOPE,
  RT_TABLE,
  RTN,
  RTNH_F,
  RTPROT,
  route,
  upFlags,
} from '@outboard/netlink';
import {
  type DpuPlan,
  type FunctionPlan,
  hostIndexOf,
  MANAGEMENT_DEVICE,
  type PrefixedAddress,
  type TestbedPlan,
} from './plan.js';

/**
 * Device indexes that we fix where we create, so that nothing has to be asked for afterwards. The kernel heeds the
 * index of a veth's peer only if the other end has one too (drivers/net/veth.c).
 */
export const LOOPBACK = 1;
const UNDERLAY = 100;
const MANAGEMENT = 101;
const UNDERLAY_PORTS = 1000;
const MANAGEMENT_PORTS = 2000;
const MANAGEMENT_MTU = 1500;

/** The descriptors of open namespaces that messages refer to. */
interface Descriptors {
  readonly control: number;
  readonly dpus: ReadonlyMap<string, number>;
}

/** The two switches, and a cable from each to every place that it serves; sent in the fabric's namespace. */
export function fabricMessages(plan: TestbedPlan, descriptors: Descriptors): Message[] {
  const { underlayMtu } = plan;
  const switchOf = (ifiIndex: number, ifname: string, mtu: number): Message =>
    link.create({
      ifiIndex,
      ifname,
      mtu,
      ...upFlags(),
      linkinfo: { kind: 'bridge', data: { stpState: 0, mcastSnooping: false } },
    });
  const cable = (ifiIndex: number, ifname: string, network: NetworkName, peer: Peer): Message => {
    const mtu = network === 'underlay' ? underlayMtu : MANAGEMENT_MTU;
    const master = network === 'underlay' ? UNDERLAY : MANAGEMENT;
    const data = { peer: { ...peer, mtu, ifiIndex: master } };
    return link.create({ ifiIndex, ifname, master, mtu, ...upFlags(), linkinfo: { kind: 'veth', data } });
  };
  return [
    switchOf(UNDERLAY, 'underlay', underlayMtu),
    switchOf(MANAGEMENT, 'management', MANAGEMENT_MTU),
    cable(MANAGEMENT_PORTS, 'mgmt-control', 'management', {
      ifname: MANAGEMENT_DEVICE,
      netNsFd: descriptors.control,
    }),
    ...plan.dpus.flatMap((dpu) => {
      const netNsFd = descriptors.dpus.get(dpu.name) ?? -1;
      return [
        cable(UNDERLAY_PORTS + dpu.number, fabricPort('underlay', dpu), 'underlay', {
          ifname: dpu.underlay.device,
          netNsFd,
        }),
        cable(MANAGEMENT_PORTS + dpu.number, fabricPort('management', dpu), 'management', {
          ifname: dpu.management.device,
          netNsFd,
        }),
      ];
    }),
  ];
}

interface Peer {
  readonly ifname: string;
  readonly netNsFd: number;
}

export type NetworkName = 'underlay' | 'management';

/** The switch's end of a DPU's cable. */
export const fabricPort = (network: NetworkName, dpu: DpuPlan): string =>
  `${network === 'underlay' ? 'up' : 'mgmt'}-${dpu.number}`;

/** Brings up the loopback of a namespace: without it a namespace cannot reach its own addresses. */
export const loopbackUp = (): Message => link.change({ ifiIndex: LOOPBACK, ...upFlags() });

/** The control namespace's side of the management network. */
export const controlMessages = (plan: TestbedPlan): Message[] => [
  loopbackUp(),
  link.change({ ifiIndex: MANAGEMENT, ...upFlags() }),
  addressMessage(MANAGEMENT, plan.control),
];

/** A DPU's own devices and addresses. */
export const dpuMessages = (dpu: DpuPlan): Message[] => [
  loopbackUp(),
  link.change({ ifiIndex: UNDERLAY, ...upFlags() }),
  link.change({ ifiIndex: MANAGEMENT, ...upFlags() }),
  ...dpu.underlay.addresses.map((each) => addressMessage(UNDERLAY, each)),
  ...dpu.management.addresses.map((each) => addressMessage(MANAGEMENT, each)),
];

/**
 * One function; sent in the DPU's namespace. Its other end is born on the host. Both ends are down, as after a boot.
 */
export const functionMessage = (each: FunctionPlan, mtu: number, host: number): Message =>
  link.create({
    ifiIndex: each.index,
    ifname: each.representor,
    mtu,
    linkinfo: {
      kind: 'veth',
      data: {
        peer: {
          ifiIndex: hostIndexOf(each),
          ifname: each.hostDevice,
          address: each.macAddress,
          mtu,
          netNsFd: host,
        },
      },
    },
  });

/** An address that is usable at once: no duplicate address detection. */
export function addressMessage(ifaIndex: number, { ip, prefixLength }: PrefixedAddress): Message {
  const version4 = !ip.includes(':');
  return address.create({
    ifaFamily: version4 ? AF.INET : AF.INET6,
    ifaPrefixlen: prefixLength,
    ifaIndex,
    address: ip,
    ...(version4 ? { local: ip } : { flags: IFA_F.NODAD }),
  });
}

/** A default route. The gateway need not lie in a prefix of the device: a port may have a /32 or a /128. */
export const defaultRouteMessage = (oif: number, gateway: string): Message =>
  route.create({
    rtmFamily: gateway.includes(':') ? AF.INET6 : AF.INET,
    rtmTable: RT_TABLE.MAIN,
    rtmProtocol: RTPROT.STATIC,
    rtmScope: RT_SCOPE.UNIVERSE,
    rtmType: RTN.UNICAST,
    rtmFlags: RTNH_F.ONLINK,
    gateway,
    oif,
  });

/** A socket in a namespace for the time of an action. */
export async function withSocket<Value>(
  namespace: NetworkNamespace | undefined,
  action: (socket: NetlinkSocket) => Promise<Value>,
): Promise<Value> {
  const socket = NetlinkSocket.open(namespace === undefined ? {} : { namespace });
  try {
    return await action(socket);
  } finally {
    socket.close();
  }
}

/**
 * Sends messages of which every one has to succeed; those that wait for a grace period (moves of devices) on a pool
 * thread. Throws AppError INTERNAL that names the first refusal.
 */
export async function applyAll(
  socket: NetlinkSocket,
  what: string,
  messages: readonly Message[],
  options: { readonly offThread?: boolean } = {},
): Promise<void> {
  const { failures } = await (options.offThread ? socket.batchOffThread(messages) : socket.batch(messages));
  const [first] = failures;
  if (first === undefined) return;
  const more = failures.length === 1 ? '' : ` and ${failures.length - 1} more`;
  const text = first.message === '' ? first.code : `${first.message} (${first.code})`;
  throw new AppError('INTERNAL', `${what}: message ${first.index} of ${messages.length}: ${text}${more}`, {
    metadata: { errno: first.code },
  });
}
