import { isIP } from 'node:net';
import { Problems } from '@outboard/core';
import { setSysctls } from '@outboard/ffi';
import {
  addressMessage,
  applyAll,
  defaultRouteMessage,
  link,
  type NetlinkSocket,
  type NetworkNamespace,
  upFlags,
} from '@outboard/netlink';

/** The part of a Port's status that the host's side needs; the status itself can be passed as it is. */
export interface PortStatus {
  /** Bytes. */
  readonly mtu: number;
  /** Absent or empty: the function keeps its own. */
  readonly macAddress?: string;
  readonly addresses: readonly PortAddress[];
}

export interface PortAddress {
  readonly ip: string;
  readonly prefixLength: number;
  /** Absent or empty: none. */
  readonly gateway?: string | undefined;
}

/**
 * In milliseconds, instead of 1000: when a path is there is not to be measured in seconds because a first request for
 * the neighbour was sent too early.
 */
const NEIGHBOUR_RETRY = '100';
const MAC = /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/;

export const gatewaysOf = (status: PortStatus): string[] =>
  status.addresses.flatMap(({ gateway }) => (gateway ? [gateway] : []));

/** Notes what is wrong with the fields of a status. */
export function checkPortStatus(status: PortStatus, problems: Problems): void {
  if (!Number.isInteger(status.mtu) || status.mtu < 576 || status.mtu > 9216) {
    problems.add('mtu', 'must be 576 to 9216');
  }
  if (status.macAddress && !MAC.test(status.macAddress)) {
    problems.add('macAddress', 'must be six hexadecimal bytes with colons');
  }
  status.addresses.forEach(({ ip, prefixLength, gateway }, index) => {
    const version = isIP(ip);
    const bits = version === 6 ? 128 : 32;
    const path = `addresses[${index}]`;
    if (version === 0) problems.addMalformed(`${path}.ip`, 'must be an IP address');
    else if (!Number.isInteger(prefixLength) || prefixLength < 1 || prefixLength > bits) {
      problems.add(`${path}.prefixLength`, `must be 1 to ${bits}`);
    }
    if (gateway && isIP(gateway) !== version) {
      problems.add(`${path}.gateway`, 'must be an IP address of the same family');
    }
  });
}

/**
 * Brings up a device that is in the namespace, with the addresses of its port.
 *
 * @param gateways of the status: those that become default routes; all when absent.
 */
export async function configureDevice(
  { socket, namespace }: { readonly socket: NetlinkSocket; readonly namespace: NetworkNamespace },
  what: string,
  device: string,
  status: PortStatus,
  gateways: readonly string[] = gatewaysOf(status),
): Promise<void> {
  const { ifiIndex } = await socket.get(link.get({ ifname: device }));
  setSysctls(namespace, {
    [`net/ipv4/neigh/${device}/retrans_time_ms`]: NEIGHBOUR_RETRY,
    [`net/ipv6/neigh/${device}/retrans_time_ms`]: NEIGHBOUR_RETRY,
  });
  await applyAll(socket, `configure ${what}`, [
    link.change({ ifiIndex, ...upFlags() }),
    ...status.addresses.map((each) => addressMessage(ifiIndex, each)),
    ...gateways.map((gateway) => defaultRouteMessage(ifiIndex, gateway)),
  ]);
}
