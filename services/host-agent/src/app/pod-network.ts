import { readFileSync } from 'node:fs';
import { AppError } from '@outboard/core';
import { setSysctls } from '@outboard/ffi';
import {
  AF,
  address,
  addressMessage,
  applyAll,
  defaultRouteMessage,
  IFF,
  type Link,
  link,
  linkByName,
  type NetlinkSocket,
  NetworkNamespace,
  type Request,
  RT_TABLE,
  RTN,
  route,
  upFlags,
  withSocket,
} from '@outboard/netlink';
import type { HostDevice } from '../domain/attachment.js';
import type { Connection } from '../domain/result.js';

/** include/uapi/linux/if_link.h: no address of the link itself. */
const IN6_ADDR_GEN_MODE_NONE = 1;

/** Whether a pod has such an interface; known without the kernel's lock of all devices, which moves of others hold. */
export const hasInterface = (namespace: NetworkNamespace, ifname: string): boolean =>
  namespace
    .run(() => readFileSync('/proc/thread-self/net/dev', 'utf8'))
    .split('\n')
    .some((line) => line.trimStart().startsWith(`${ifname}:`));

/** Those of the gateways of whose family the pod has no default route: a second network does not take the first one's away. */
export function missingGateways(
  namespace: NetworkNamespace,
  gateways: readonly string[],
): Promise<readonly string[]> {
  return withSocket(namespace, async (socket) => {
    const missing: string[] = [];
    for (const gateway of gateways)
      if (!(await hasDefaultRoute(socket, familyOf(gateway)))) missing.push(gateway);
    return missing;
  });
}

/** Makes the interface of a pod what its port says, and up. Throws AppError INTERNAL with the kernel's refusal. */
export function configure(
  namespace: NetworkNamespace,
  ifname: string,
  connection: Connection,
): Promise<void> {
  return withSocket(namespace, (socket) => configureBy(socket, namespace, ifname, connection));
}

async function configureBy(
  socket: NetlinkSocket,
  namespace: NetworkNamespace,
  ifname: string,
  connection: Connection,
): Promise<void> {
  const device = socket.quickLink(ifname);
  if (device === undefined) throw new AppError('INTERNAL', `configure ${ifname}: it is gone`);
  const { ifiIndex } = device;
  // Addresses come from the port alone: none is made up from router advertisements, none is tentative.
  setSysctls(namespace, {
    [`net/ipv6/conf/${ifname}/accept_ra`]: '0',
    [`net/ipv6/conf/${ifname}/accept_dad`]: '0',
  });
  const version6 = connection.addresses.some(({ ip }) => familyOf(ip) === AF.INET6);
  const messages = [
    // An address is changed while the device is down.
    link.change({
      ifiIndex,
      address: connection.macAddress,
      mtu: connection.mtu,
      ...(!version6 && { afSpec: { inet6: { addrGenMode: IN6_ADDR_GEN_MODE_NONE } } }),
    }),
    link.change({ ifiIndex, ...upFlags() }),
    ...connection.addresses.map((each) => addressMessage(ifiIndex, each)),
    ...connection.defaultGateways.map((gateway) => defaultRouteMessage(ifiIndex, gateway)),
  ];
  // Not on this thread: the kernel changes one device at a time, and others may be on their way.
  await applyAll(socket, `configure ${ifname}`, messages, { offThread: true });
}

/** How the interface of a pod differs from what it was given, a sentence each. */
export function differences(
  namespace: NetworkNamespace,
  ifname: string,
  { macAddress, mtu, addresses, defaultGateways }: Connection,
): Promise<readonly string[]> {
  return withSocket(namespace, async (socket) => {
    const found = await linkByName(socket, ifname);
    if (found === undefined) return [`interface ${ifname} is missing`];
    const wrong: string[] = [];
    if ((found.ifiFlags & IFF.UP) === 0) wrong.push(`interface ${ifname} is down`);
    // Known at once, where the control plane has to wait for a lease to end: the DPU opens a port by its representor.
    else if ((found.ifiFlags & IFF.LOWER_UP) === 0)
      wrong.push(`interface ${ifname} has no carrier: its DPU passes nothing`);
    if (found.address !== macAddress) wrong.push(`MAC address is ${found.address}, not ${macAddress}`);
    if (found.mtu !== mtu) wrong.push(`MTU is ${found.mtu}, not ${mtu}`);
    const present = new Set(
      await socket.dump(address.dump(), (each) =>
        each.ifaIndex === found.ifiIndex ? `${each.local ?? each.address}/${each.ifaPrefixlen}` : undefined,
      ),
    );
    for (const { ip, prefixLength } of addresses) {
      if (!present.has(`${ip}/${prefixLength}`)) wrong.push(`address ${ip}/${prefixLength} is missing`);
    }
    const routes = await socket.dump(route.dump(), (each) =>
      each.rtmDstLen === 0 && each.rtmTable === RT_TABLE.MAIN && each.oif === found.ifiIndex
        ? each.gateway
        : undefined,
    );
    for (const gateway of defaultGateways) {
      if (!routes.includes(gateway)) wrong.push(`default route via ${gateway} is missing`);
    }
    return wrong;
  });
}

/**
 * Gives a device back to the host as it was. It is known by its mark, whatever a pod has called it; one that the kernel
 * has moved and then not renamed, by name and address that it had in the host; one that has lost its mark, by its name
 * where `byName` says that this cannot be another one. False: the pod has no such device.
 */
export function takeBack(
  namespace: NetworkNamespace,
  { ifname, mark, byName }: { readonly ifname: string; readonly mark: string; readonly byName: boolean },
  device: HostDevice,
): Promise<boolean> {
  return withSocket(namespace, async (socket) => {
    const found = await deviceIn(socket, ifname, mark, byName, device);
    if (found === undefined) return false;
    const host = NetworkNamespace.open('self');
    try {
      const move: Request<Link> = link.change({
        ifiIndex: found.ifiIndex,
        ...upFlags(false),
        netNsFd: host.descriptor,
        ifname: device.ifname,
        address: device.address,
        mtu: device.mtu,
        ifalias: '',
      });
      const what = `return ${ifname} to the host as ${device.ifname}`;
      await applyAll(socket, what, [move], { offThread: true });
    } finally {
      host.close();
    }
    return true;
  });
}

async function deviceIn(
  socket: NetlinkSocket,
  ifname: string,
  mark: string,
  byName: boolean,
  device: HostDevice,
): Promise<Link | undefined> {
  const named = await linkByName(socket, ifname);
  if (named?.ifalias === mark) return named;
  const marked = await socket.dump(link.dump(), (each) => (each.ifalias === mark ? each : undefined));
  if (marked[0] !== undefined) return marked[0];
  const moved = await linkByName(socket, device.ifname);
  if (moved?.ifname === device.ifname && moved.address === device.address && (moved.ifalias ?? '') === '')
    return moved;
  return byName ? named : undefined;
}

const familyOf = (ip: string): number => (ip.includes(':') ? AF.INET6 : AF.INET);

/**
 * Whether the namespace has a default route of a family. Routes of one family are told without the kernel's lock of all
 * devices (since Linux 6.9), those of all families together are not.
 */
async function hasDefaultRoute(socket: NetlinkSocket, rtmFamily: number): Promise<boolean> {
  const found = await socket.dump(
    route.dump({ rtmFamily }),
    ({ rtmDstLen, rtmTable, rtmType }) =>
      (rtmDstLen === 0 && rtmTable === RT_TABLE.MAIN && rtmType === RTN.UNICAST) || undefined,
  );
  return found.length > 0;
}
