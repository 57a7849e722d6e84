import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  directAction,
  filter,
  filterInfo,
  type LinkInput,
  link,
  type Message,
  NetlinkSocket,
  NetworkNamespace,
  NFPROTO,
  nftTable,
  qdisc,
  redirectAll,
  TC_CLSACT,
  TC_H,
  tokenBucket,
} from '@outboard/netlink';
import type { Capability } from '../driver.js';
import type { Device } from '../kernel/device.js';
import { ipv6Egress } from '../kernel/forwarding.js';
import { anyOfSwitch } from '../kernel/functions.js';
import { NAMESPACE_PREFIX } from '../realise/names.js';
import { HARDWARE_OFFLOAD } from '../realise/offload.js';
import { STEERING } from '../realise/service-chain.js';
import { steeringProgram } from '../realise/steering-program.js';
import { LINUX_TRUNK } from '../realise/trunk.js';
import { ingressQdisc } from './ingress.js';

/** Switches of a namespace, all to be on. */
export const BRIDGE_FILTERING = [
  '/proc/sys/net/bridge/bridge-nf-call-iptables',
  '/proc/sys/net/bridge/bridge-nf-call-ip6tables',
] as const;

type LinkKind = NonNullable<LinkInput['linkinfo']>;

/** What the realisation needs, in the words that a refusal shows. */
export const REQUIRED = ['bridge', 'vxlan', 'veth', 'tc-redirect', 'nftables-bridge', 'nft'] as const;

/** The index of the veth that is tried out, upon which a VLAN device is tried out. */
const VETH = 100;

const KINDS: Readonly<Record<string, LinkKind>> = {
  bridge: { kind: 'bridge' },
  vxlan: { kind: 'vxlan', data: { id: 1, port: 4789 } },
  veth: { kind: 'veth', data: { peer: { ifname: 'obprobe-peer' } } },
  vrf: { kind: 'vrf', data: { table: 10 } },
  geneve: { kind: 'geneve', data: { id: 1, remote: '192.0.2.1' } },
  vlan: { kind: 'vlan', data: { id: 1 } },
  'vlan-filtering': { kind: 'bridge', data: { vlanFiltering: true } },
};

let known: Promise<readonly Capability[]> | undefined;

/** What this kernel can do: tried out once in the life of a process, in a namespace of its own that is removed. */
export function probeCapabilities(): Promise<readonly Capability[]> {
  known ??= probe();
  return known;
}

async function probe(): Promise<Capability[]> {
  const name = `${NAMESPACE_PREFIX}probe-${process.pid}`;
  NetworkNamespace.remove(name);
  const namespace = NetworkNamespace.create(name);
  const socket = NetlinkSocket.open({ namespace });
  try {
    const found: Capability[] = [];
    for (const [kind, linkinfo] of Object.entries(KINDS))
      found.push(await tryOut(kind, socket, [linkMessage(kind, linkinfo)]));
    const redirect = await tryOut('tc-redirect', socket, redirectMessages());
    // An uplink is joined to a network as a representor is.
    found.push(redirect, { ...redirect, name: 'flat' });
    found.push(await tryOut('bandwidth', socket, [bucketMessage()]));
    found.push(await tryOut(STEERING, socket, [steeringMessage()]));
    found.push(
      await tryNftables(namespace),
      await tryNft(),
      tryBridgeNetfilter(namespace),
      ipv6Egress(namespace),
      LINUX_TRUNK,
    );
    return found;
  } finally {
    socket.close();
    namespace.close();
    NetworkNamespace.remove(name);
  }
}

async function tryOut(
  name: string,
  socket: NetlinkSocket,
  messages: readonly Message[],
): Promise<Capability> {
  const { failures } = await socket.batch(messages);
  const [failure] = failures;
  if (failure === undefined) return { name, available: true, reason: '' };
  const reason = failure.message === '' ? failure.code : `${failure.message} (${failure.code})`;
  return { name, available: false, reason };
}

const linkMessage = (kind: string, linkinfo: LinkKind): Message =>
  link.create({
    ifname: `obprobe-${kind.slice(0, 6)}`,
    linkinfo,
    ...(kind === 'veth' && { ifiIndex: VETH }),
    ...(kind === 'vlan' && { link: VETH }),
  });

/** On `lo`, which every namespace has. */
function redirectMessages(): Message[] {
  const ifindex = 1;
  const place = { ifindex, parent: TC_CLSACT.INGRESS, info: filterInfo(1, 3) };
  return [ingressQdisc(ifindex), filter.create({ ...place, kind: 'u32', options: redirectAll(ifindex) })];
}

/** A program that matches nothing, on `lo`. */
function steeringMessage(): Message {
  const place = { ifindex: 1, parent: TC_CLSACT.INGRESS, info: filterInfo(2, 3), kind: 'bpf' };
  const program = steeringProgram({ own: [], others: [], exceptions: [] }, 'forward', 'drop');
  return filter.create({ ...place, options: directAction(Buffer.from(program, 'hex')) });
}

/** Where representors are of a switch, that is hardware which the kernel may hand filters, routes and entries over to. */
export function hardwareOffload(devices: Iterable<Device>): Capability {
  const available = anyOfSwitch(devices);
  const reason = available ? '' : 'no representor belongs to a switch (phys_switch_id)';
  return { name: HARDWARE_OFFLOAD, available, reason };
}

const bucketMessage = (): Message =>
  qdisc.create({ ifindex: VETH, parent: TC_H.ROOT, kind: 'tbf', options: tokenBucket(1e6, 1e5, 1e5) });

async function tryNftables(namespace: NetworkNamespace): Promise<Capability> {
  const name = 'nftables-bridge';
  try {
    const socket = NetlinkSocket.open({ protocol: 'netfilter', namespace });
    try {
      const { failures } = await socket.transaction([
        nftTable.create({ nfgenFamily: NFPROTO.BRIDGE, name: 'probe' }),
      ]);
      const [failure] = failures;
      return { name, available: failure === undefined, reason: failure?.code ?? '' };
    } finally {
      socket.close();
    }
  } catch (failure) {
    return { name, available: false, reason: failure instanceof Error ? failure.message : String(failure) };
  }
}

/** What shows bridged packets to the rules and the connection tracking of IP. */
function tryBridgeNetfilter(namespace: NetworkNamespace): Capability {
  const available = namespace.run(() => BRIDGE_FILTERING.every((path) => existsSync(path)));
  return { name: 'bridge-netfilter', available, reason: available ? '' : 'br_netfilter is not loaded' };
}

/** The program: it loads the fixed part of the guard. */
function tryNft(): Promise<Capability> {
  return new Promise((resolve) => {
    const child = spawn('nft', ['--version'], { stdio: 'ignore' });
    child.on('error', ({ message }) => resolve({ name: 'nft', available: false, reason: message }));
    child.on('close', (status) =>
      resolve({
        name: 'nft',
        available: status === 0,
        reason: status === 0 ? '' : `it ended with ${status}`,
      }),
    );
  });
}
