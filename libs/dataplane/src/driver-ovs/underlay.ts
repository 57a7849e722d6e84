import { existsSync, writeFileSync } from 'node:fs';
import {
  address,
  link,
  linkByName,
  type NetworkNamespace,
  RT_SCOPE,
  RT_TABLE,
  RTPROT,
  route,
  upFlags,
} from '@outboard/netlink';
import type { Underlay } from '../driver.js';
import { globalAddress } from '../kernel/global-address.js';
import type { Place } from '../kernel/place.js';
import { UNDERLAY_BRIDGE, UPLINK_PATCH } from './realise/ovs-objects.js';
import type { Switch } from './switch.js';

/**
 * Tunnels of the userspace datapath leave by a bridge that has the device as a port and its addresses on its own port:
 * both are moved there. Idempotent, also after a crash halfway. False while there is no such device.
 */
export async function bridgeUnderlay(vswitch: Switch, place: Place, device: string): Promise<boolean> {
  const { database } = vswitch;
  if ((await place.lookAtDevice(device)) === undefined) return false;
  const ports = database.ports();
  const wanted = [
    { name: device, type: '', options: {} },
    { name: UPLINK_PATCH.underlay, type: 'patch', options: { peer: UPLINK_PATCH.integration } },
  ].filter(({ name }) => ports.get(name)?.bridge !== UNDERLAY_BRIDGE);
  if (wanted.length > 0)
    await database.putPorts(
      UNDERLAY_BRIDGE,
      wanted.map((port) => ({ ...port, externalIds: { 'outboard-underlay': 'true' } })),
    );
  const socket = place.route;
  const from = await linkByName(socket, device);
  const to = await linkByName(socket, UNDERLAY_BRIDGE);
  if (from === undefined || to === undefined) return false;
  deafen(place.namespace, device);
  await socket.send(link.change({ ifiIndex: to.ifiIndex, mtu: from.mtu ?? 0, ...upFlags() }));
  await socket.send(link.change({ ifiIndex: from.ifiIndex, ...upFlags() }));
  const routes = (await socket.dump(route.dump())).filter(
    ({ oif, rtmTable, rtmProtocol }) =>
      oif === from.ifiIndex && rtmTable === RT_TABLE.MAIN && rtmProtocol !== RTPROT.KERNEL,
  );
  for (const each of await socket.dump(address.dump())) {
    if (each.ifaIndex !== from.ifiIndex || each.ifaScope !== RT_SCOPE.UNIVERSE) continue;
    const { ifaFamily, ifaPrefixlen, address: peer, local, flags } = each;
    const same = { ifaFamily, ifaPrefixlen, address: peer, ...(local === undefined ? {} : { local }) };
    const kept = flags === undefined ? {} : { flags };
    await socket.send(address.replace({ ...same, ...kept, ifaIndex: to.ifiIndex }));
    await socket.send(address.remove({ ...same, ifaIndex: from.ifiIndex }));
  }
  await socket.batch(routes.map((each) => route.replace({ ...each, oif: to.ifiIndex })));
  return true;
}

/** The kernel sees what the switch sees, and must not answer it a second time. */
export function deafen(namespace: NetworkNamespace | undefined, device: string): void {
  const write = (): void => {
    for (const [name, value] of [
      // No IPv6 on it, no ARP answers, and nothing taken in that does not belong to an address of the device.
      [`ipv6/conf/${device}/disable_ipv6`, '1'],
      [`ipv4/conf/${device}/arp_ignore`, '8'],
      [`ipv4/conf/${device}/rp_filter`, '1'],
    ] as const) {
      const path = `/proc/sys/net/${name}`;
      if (existsSync(path)) writeFileSync(path, value);
    }
  };
  if (namespace === undefined) write();
  else namespace.run(write);
}

/** The source of tunnels: the first global address of the bridge, with the device's MTU. */
export async function findUnderlay(place: Place, device: string): Promise<Underlay | undefined> {
  const bridge = await place.lookAtDevice(UNDERLAY_BRIDGE);
  const carrier = await place.lookAtDevice(device);
  if (bridge === undefined || carrier === undefined) return undefined;
  const addresses = await globalAddress(place, bridge);
  return addresses && { device, ...addresses, mtu: carrier.mtu };
}
