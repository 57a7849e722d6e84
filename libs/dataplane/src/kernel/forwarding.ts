import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { runIn } from '@outboard/ffi';
import type { NetworkNamespace } from '@outboard/netlink';
import type { Capability } from '../driver.js';
import { IPV6_EGRESS } from '../realise/realise-egress.js';
import type { Place } from './place.js';

const IPV4 = (device: string): string => `/proc/sys/net/ipv4/conf/${device}/forwarding`;
/** For this device alone, whatever the namespace does in general (since Linux 6.17); before that there is no such file. */
const IPV6 = (device: string): string => `/proc/sys/net/ipv6/conf/${device}/force_forwarding`;

const isAbsent = (failure: unknown): boolean => (failure as NodeJS.ErrnoException).code === 'ENOENT';

const read = ({ namespace }: Place, path: string): boolean | undefined => {
  try {
    return runIn(namespace, () => readFileSync(path, 'latin1').trim() === '1');
  } catch (failure) {
    if (isAbsent(failure)) return undefined;
    throw failure;
  }
};

/** Whether what comes in by the device is forwarded: IPv4, and IPv6 where the kernel can say so of one device. */
export const isForwarding = (place: Place, device: string): boolean =>
  read(place, IPV4(device)) === true && read(place, IPV6(device)) !== false;

/** Whether IPv4 is forwarded where nobody said otherwise. */
export const isForwardingInGeneral = (place: Place): boolean => read(place, IPV4('all')) === true;

/** IPv4 as said, `ipv6` likewise. Without the device there is nothing to be said of it. */
export function setForwarding({ namespace }: Place, device: string, ipv4: boolean, ipv6 = ipv4): void {
  for (const [path, on] of [
    [IPV4(device), ipv4],
    [IPV6(device), ipv6],
  ] as const) {
    try {
      runIn(namespace, () => writeFileSync(path, on ? '1' : '0'));
    } catch (failure) {
      if (!isAbsent(failure)) throw failure;
    }
  }
}

/** Whether the kernel of a namespace, or of this one, can forward IPv6 of single devices. */
export function ipv6Egress(namespace: NetworkNamespace | undefined): Capability {
  const available = runIn(namespace, () => existsSync(IPV6('all')));
  const reason = available ? '' : 'this kernel forwards IPv6 for all devices or none (before Linux 6.17)';
  return { name: IPV6_EGRESS, available, reason };
}
