import { addressMessage, link, type Message, ONE_QUEUE, upFlags } from '@outboard/netlink';
import {
  type DpuPlan,
  type FunctionPlan,
  type HostPlan,
  hostIndexOf,
  MANAGEMENT_DEVICE,
  type TestbedPlan,
} from './plan.js';

/**
 * Device indexes that we fix where we create, so that nothing has to be asked for afterwards. The kernel heeds the
 * index of a veth's peer only if the other end has one too (drivers/net/veth.c).
 */
export const LOOPBACK = 1;
const UNDERLAY = 100;
const MANAGEMENT = 101;
const PROVIDER = 102;
const UNDERLAY_PORTS = 1000;
const MANAGEMENT_PORTS = 2000;
const HOST_PORTS = 3000;
const PROVIDER_PORTS = 4000;
const MANAGEMENT_MTU = 1500;
const PROVIDER_MTU = 1500;

/** The descriptors of open namespaces that messages refer to. */
interface Descriptors {
  readonly control: number;
  readonly dpus: ReadonlyMap<string, number>;
  readonly hosts: ReadonlyMap<string, number>;
}

/** The switches, and a cable from each to every place that it serves; sent in the fabric's namespace. */
export function fabricMessages(plan: TestbedPlan, descriptors: Descriptors): Message[] {
  const { underlayMtu } = plan;
  const switches: Readonly<Record<NetworkName, { readonly ifiIndex: number; readonly mtu: number }>> = {
    underlay: { ifiIndex: UNDERLAY, mtu: underlayMtu },
    management: { ifiIndex: MANAGEMENT, mtu: MANAGEMENT_MTU },
    provider: { ifiIndex: PROVIDER, mtu: PROVIDER_MTU },
  };
  const switchOf = (name: NetworkName): Message =>
    link.create({
      ...switches[name],
      ifname: name,
      ...upFlags(),
      linkinfo: { kind: 'bridge', data: { stpState: 0, mcastSnooping: false } },
    });
  const cable = (ifiIndex: number, ifname: string, network: NetworkName, peer: Peer): Message => {
    const { ifiIndex: master, mtu } = switches[network];
    const data = { peer: { ...peer, mtu, ifiIndex: master } };
    return link.create({ ifiIndex, ifname, master, mtu, ...upFlags(), linkinfo: { kind: 'veth', data } });
  };
  return [
    switchOf('underlay'),
    switchOf('management'),
    ...(plan.providerNetwork ? [switchOf('provider')] : []),
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
        ...(dpu.provider === undefined
          ? []
          : [
              cable(PROVIDER_PORTS + dpu.number, fabricPort('provider', dpu), 'provider', {
                ifname: dpu.provider.device,
                netNsFd,
              }),
            ]),
      ];
    }),
    ...plan.hosts.map(({ name, number, management }) =>
      cable(HOST_PORTS + number, `host-${number}`, 'management', {
        ifname: management.device,
        netNsFd: descriptors.hosts.get(name) ?? -1,
      }),
    ),
  ];
}

interface Peer {
  readonly ifname: string;
  readonly netNsFd: number;
}

/** Networks of the fabric. `provider` is there on demand: no DPU has an address on it. */
export type NetworkName = 'underlay' | 'management' | 'provider';

const PORT_PREFIXES: Readonly<Record<NetworkName, string>> = {
  underlay: 'up',
  management: 'mgmt',
  provider: 'pv',
};

/** The switch's end of a DPU's cable. */
export const fabricPort = (network: NetworkName, dpu: DpuPlan): string =>
  `${PORT_PREFIXES[network]}-${dpu.number}`;

/** Brings up the loopback of a namespace: without it a namespace cannot reach its own addresses. */
export const loopbackUp = (): Message => link.change({ ifiIndex: LOOPBACK, ...upFlags() });

/** The control namespace's side of the management network. */
export const controlMessages = (plan: TestbedPlan): Message[] => [
  loopbackUp(),
  link.change({ ifiIndex: MANAGEMENT, ...upFlags() }),
  addressMessage(MANAGEMENT, plan.control),
];

/** A host's side of the management network. */
export const hostMessages = ({ management }: HostPlan): Message[] => [
  loopbackUp(),
  link.change({ ifiIndex: MANAGEMENT, ...upFlags() }),
  ...management.addresses.map((each) => addressMessage(MANAGEMENT, each)),
];

/** A DPU's own devices and addresses. */
export const dpuMessages = (dpu: DpuPlan): Message[] => [
  loopbackUp(),
  link.change({ ifiIndex: UNDERLAY, ...upFlags() }),
  link.change({ ifiIndex: MANAGEMENT, ...upFlags() }),
  ...(dpu.provider === undefined ? [] : [link.change({ ifiIndex: PROVIDER, ...upFlags() })]),
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
    ...ONE_QUEUE,
    linkinfo: {
      kind: 'veth',
      data: {
        peer: {
          ifiIndex: hostIndexOf(each),
          ifname: each.hostDevice,
          ...ONE_QUEUE,
          address: each.macAddress,
          mtu,
          netNsFd: host,
        },
      },
    },
  });
