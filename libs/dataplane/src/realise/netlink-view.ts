import type { DriverView, NetlinkAttributes } from '../driver.js';
import { parsePrefix } from './addresses.js';
import { FIXED_TABLES, tableComment } from './fixed-tables.js';
import { GUARD_SETS, GUARD_TABLE } from './guard-table.js';
import { STEERING_PRIORITIES } from './linux-keys.js';
import type { LinuxSpec, RouteNextHop, RouteSpec, SenderSpec } from './linux-objects.js';
import { policyAttributes } from './policy-view.js';

/** What netlink calls each kind of object. */
const TYPES = {
  namespace: 'netns',
  guard: 'table',
  bridge: 'link',
  tunnel: 'link',
  geneve: 'link',
  vlan: 'link',
  veth: 'link',
  port: 'link',
  exit: 'link',
  door: 'link',
  address: 'addr',
  bridgeentry: 'fdb',
  tunnelentry: 'fdb',
  neighbour: 'neigh',
  sender: 'element',
  policyset: 'set',
  policymember: 'element',
  policyport: 'element',
  policycounter: 'object',
  rulechain: 'chain',
  portchain: 'chain',
  route: 'route',
  rate: 'qdisc',
  hopexit: 'filter',
  steering: 'filter',
  closure: 'filter',
  gate: 'filter',
  responder: 'responder',
  representor: 'link',
} as const satisfies Readonly<Record<LinuxSpec['kind'], string>>;

/** Whose flags tell of hardware: NTF_OFFLOADED, RTM_F_OFFLOAD, TCA_CLS_FLAGS_IN_HW. */
const FORWARDING: ReadonlySet<LinuxSpec['kind']> = new Set([
  'bridgeentry',
  'tunnelentry',
  'neighbour',
  'route',
  'hopexit',
  'steering',
  'closure',
  'gate',
]);

/**
 * Linux objects as rtnetlink and nfnetlink name them (Documentation/netlink/specs/rt-addr.yaml, rt-link.yaml, rt-neigh.yaml,
 * rt-route.yaml, tc.yaml, nftables.yaml), in lowerCamel. Where the kernel has the index of a device stands its name;
 * `netns` is the namespace, absent for the DPU's own.
 */
export const netlinkView: DriverView<LinuxSpec> = {
  typeOf: (kind) => TYPES[kind],
  forwards: (kind) => FORWARDING.has(kind),
  attributesOf(spec): NetlinkAttributes {
    switch (spec.kind) {
      case 'namespace':
        return { name: spec.name, settings: spec.settings };
      case 'guard':
        return {
          ...(spec.namespace === '' ? {} : { netns: spec.namespace }),
          nfgenFamily: FIXED_TABLES[spec.table].family,
          name: FIXED_TABLES[spec.table].table,
          userdata: tableComment(spec.revision, spec.way),
          rules: spec.rules,
        };
      case 'bridge':
        return { ...linkOf(spec), address: spec.mac, linkinfo: { kind: 'bridge' } };
      case 'tunnel': {
        const { vni, local, destinationPort, learning, flood, neighbourSuppression } = spec;
        const data = { id: vni, local, port: destinationPort, learning };
        const slaveData = { learning, unicastFlood: flood, neighSuppress: neighbourSuppression };
        return {
          ...linkOf(spec),
          master: spec.bridge,
          linkinfo: { kind: 'vxlan', data, slaveKind: 'bridge', slaveData },
        };
      }
      case 'geneve': {
        const { vni: id, remote, destinationPort: port, learning, flood, neighbourSuppression } = spec;
        const slaveData = {
          learning,
          unicastFlood: flood,
          neighSuppress: neighbourSuppression,
          isolated: spec.isolated,
        };
        const linkinfo = { kind: 'geneve', data: { id, remote, port }, slaveKind: 'bridge', slaveData };
        return { ...linkOf(spec), master: spec.bridge, linkinfo };
      }
      case 'vlan': {
        const slaveData = { learning: spec.learning, unicastFlood: spec.flood };
        const linkinfo = { kind: 'vlan', data: { id: spec.vlanId }, slaveKind: 'bridge', slaveData };
        return { ...linkOf(spec), link: spec.uplink, master: spec.bridge, linkinfo };
      }
      case 'veth': {
        const peer = { netns: spec.namespace, ifname: spec.peer };
        const { name, mtu, up } = spec;
        return { ...linkOf({ name, mtu, up }), linkinfo: { kind: 'veth', data: { peer } } };
      }
      case 'port': {
        const slaveData = { learning: spec.learning, unicastFlood: spec.flood };
        return {
          ...linkOf(spec),
          master: spec.bridge,
          linkinfo: { kind: 'veth', slaveKind: 'bridge', slaveData },
        };
      }
      case 'exit': {
        const peer = { netns: spec.namespace, ifname: spec.peer };
        const { name, mtu, up, forwarding } = spec;
        return { ...linkOf({ name, mtu, up }), forwarding, linkinfo: { kind: 'veth', data: { peer } } };
      }
      case 'door':
        return { ...linkOf(spec), linkinfo: { kind: 'veth' } };
      case 'responder': {
        // The kernel has no word for it: what a port is told, in ours.
        const { device, mac, hostName, mtu, server, subnets } = spec;
        return { ifname: device, lladdr: mac, hostName, mtu, server, subnets };
      }
      case 'representor':
        return linkOf(spec);
      case 'address': {
        const [address, ifaPrefixlen] = spec.address.split('/');
        return {
          ...(spec.namespace === '' ? {} : { netns: spec.namespace }),
          ifname: spec.device,
          ...(spec.peer === undefined ? { address } : { local: address, address: spec.peer }),
          ifaPrefixlen: Number(ifaPrefixlen),
        };
      }
      case 'bridgeentry':
        return { netns: spec.namespace, ifname: spec.port, master: spec.bridge, lladdr: spec.mac };
      case 'tunnelentry':
        return { netns: spec.namespace, ifname: spec.tunnel, lladdr: spec.mac, dst: spec.destination };
      case 'neighbour':
        return { netns: spec.namespace, ifname: spec.bridge, dst: spec.address, lladdr: spec.mac };
      case 'sender':
        return {
          netns: spec.namespace,
          nfgenFamily: 'bridge',
          table: GUARD_TABLE,
          set: setOf(spec),
          key: [spec.port, spec.mac, ...(spec.source === undefined ? [] : [spec.source])].join(' . '),
        };
      case 'policyset':
      case 'policymember':
      case 'policyport':
      case 'policycounter':
      case 'rulechain':
      case 'portchain':
        return policyAttributes(spec);
      case 'route':
        return { netns: spec.namespace, dst: spec.destination, ...nextHopsOf(spec), ...metricsOf(spec) };
      case 'rate': {
        const parms = { rate: spec.bytesPerSecond, limit: spec.limit };
        return { ifname: spec.device, parent: 'root', kind: 'tbf', options: { parms } };
      }
      case 'hopexit':
      case 'steering':
      case 'closure': {
        const { device: ifname, program, target, cookie } = spec;
        const parms = { eaction: 'egress redir', ifname: target };
        const act = target === '' ? [] : [{ kind: 'mirred', options: { parms }, cookie }];
        const options = { opsLen: program.length / 16, ops: program, ...(act.length > 0 && { act }) };
        const priority = STEERING_PRIORITIES[spec.kind];
        return { ifname, parent: 'ingress', priority, kind: 'bpf', options };
      }
      case 'gate': {
        const parms = { eaction: 'egress redir', ifname: spec.target };
        const act = [{ kind: 'mirred', options: { parms } }];
        return { ifname: spec.device, parent: 'ingress', kind: 'u32', options: { act } };
      }
    }
  },
};

function linkOf(link: { namespace?: string; name: string; mtu: number; up: boolean }): NetlinkAttributes {
  const { namespace, name, mtu, up } = link;
  return {
    ...(namespace === undefined ? {} : { netns: namespace }),
    ifname: name,
    mtu,
    ifiFlags: up ? ['up'] : [],
  };
}

/** The set in which its element is; of an IPv6 one, that of the sender, beside that of the targets it advertises. */
function setOf({ source }: SenderSpec): string {
  const prefix = source === undefined ? undefined : parsePrefix(source);
  if (prefix === undefined) return GUARD_SETS.macs;
  const isSingle = prefix.length === prefix.bits;
  if (prefix.bits === 32) return isSingle ? GUARD_SETS.ipv4 : GUARD_SETS.ipv4Prefixes;
  return isSingle ? GUARD_SETS.ipv6 : GUARD_SETS.ipv6Prefixes;
}

const metricsOf = ({ mtu }: RouteSpec): NetlinkAttributes => (mtu === 0 ? {} : { metrics: { mtu } });

function nextHopsOf({ nextHops, type }: RouteSpec): NetlinkAttributes {
  const [only, ...others] = nextHops;
  if (only === undefined) return { rtmType: type };
  if (others.length === 0) return hopOf(only);
  return { multipath: nextHops.map((hop) => ({ ...hopOf(hop), rtnhHops: hop.weight - 1 })) };
}

const hopOf = ({ gateway, device }: RouteNextHop): NetlinkAttributes => ({
  gateway,
  ...(device === undefined ? {} : { oif: device }),
});
