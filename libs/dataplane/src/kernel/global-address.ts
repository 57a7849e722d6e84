import { type Address, AF, address, RT_SCOPE } from '@outboard/netlink';
import type { Device } from './device.js';
import type { Place } from './place.js';

/** The first global address of a device, IPv4 before IPv6, and whether it has one of IPv6; undefined: it has none. */
export async function globalAddress(
  { route }: Place,
  { index }: Device,
): Promise<{ readonly address: string; readonly ipv6: boolean } | undefined> {
  const own = (await route.dump(address.dump())).filter(
    ({ ifaIndex, ifaScope }) => ifaIndex === index && ifaScope === RT_SCOPE.UNIVERSE,
  );
  const ipv6 = addressOf(own, AF.INET6);
  const first = addressOf(own, AF.INET) ?? ipv6;
  return first === undefined ? undefined : { address: first, ipv6: ipv6 !== undefined };
}

const addressOf = (addresses: readonly Address[], family: number): string | undefined => {
  const found = addresses.find(({ ifaFamily }) => ifaFamily === family);
  return found?.local ?? found?.address;
};
