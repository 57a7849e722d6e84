import { hash } from 'node:crypto';
import type { EgressGateway } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject, Realisation, Spec, Underlay } from '../driver.js';
import { canonicalAddress } from './addresses.js';
import { fixedTable, uplinkTable } from './fixed-table-objects.js';
import { addressKey, linkKey, namespaceKey, routeKey } from './linux-keys.js';
import type { LinuxSpec } from './linux-objects.js';
import { doorName, exitName } from './names.js';
import { ipVersion } from './realise-encapsulation.js';
import { ROUTER_KEY } from './realise-route.js';

/** The DPU's side of every exit: link-local, on no other link, and the same for all as each has a link of its own. */
export const EXIT_ADDRESS = '169.254.0.1';
/** No gateway has it. */
export const EXIT_ADDRESS_IPV6 = 'fe80::2';
/** Of 240.0.0.0/5. */
const DOOR_ADDRESSES = 2 ** 27;

/**
 * What all traffic of a router that leaves this DPU has as source until it is at the uplink: so routers whose tenants
 * have the same addresses are told apart there. Two routers of a DPU with one address would be told as a conflict.
 */
export function doorAddress(router: string): string {
  const number =
    (240 * 2 ** 24 + (Number.parseInt(hash('sha256', router, 'hex').slice(0, 8), 16) % DOOR_ADDRESSES)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}

/** The same of IPv6, with 64 bits of the router's key. */
export function doorAddressIpv6(router: string): string {
  const groups = hash('sha256', router, 'hex').slice(0, 16).match(/.{4}/g) ?? [];
  return canonicalAddress(`100::${groups.join(':')}`) ?? '';
}

/** The capability without which IPv6 has no way out. */
export const IPV6_EGRESS = 'ipv6-egress';

/** The ways out that a driver has. */
export interface WaysOut<S extends Spec> {
  readonly ipv4: (router: string, underlay: Underlay) => readonly DriverObject<S>[];
  readonly ipv6:
    | ((router: string, underlay: Underlay) => readonly DriverObject<S>[])
    | { readonly lacking: string };
}

/** The way out of a router by the underlay's device, under its address. Throws AppError INVALID_ARGUMENT. */
export function realiseEgress<S extends Spec>(
  { router, ipFamily }: EgressGateway,
  underlay: Underlay | undefined,
  { ipv4, ipv6 }: WaysOut<S>,
): Realisation<S> {
  const problems = new Problems();
  if (!ROUTER_KEY.test(router)) problems.add('router', 'must be the key of a Router');
  if (ipFamily !== '' && ipFamily !== 'IPV6') problems.add('ipFamily', 'must be absent or IPV6');
  if (problems.total > 0) throw problems.toError();
  const unsupported = (why: string): Realisation<S> => ({ kind: 'unsupported', why, references: [] });
  if (underlay === undefined) return unsupported('there is no uplink with an address on this DPU');
  const isIpv6 = ipFamily === 'IPV6';
  const way = isIpv6 ? ipv6 : ipv4;
  if (typeof way !== 'function') return unsupported(way.lacking);
  const hasAddress = isIpv6 ? underlay.ipv6 : ipVersion(underlay.address) === 4;
  return hasAddress
    ? { kind: 'realised', objects: way(router, underlay), references: [] }
    : unsupported(
        `${underlay.device} has no ${isIpv6 ? 'IPv6' : 'IPv4'} address that packets could leave with`,
      );
}

interface DoorFamily {
  /** Of the DPU's side of the exit. */
  readonly exit: string;
  readonly bits: 32 | 128;
  readonly defaultRoute: string;
  readonly doorOf: (router: string) => string;
}

const IPV4: DoorFamily = { exit: EXIT_ADDRESS, bits: 32, defaultRoute: '0.0.0.0/0', doorOf: doorAddress };
const IPV6: DoorFamily = {
  exit: EXIT_ADDRESS_IPV6,
  bits: 128,
  defaultRoute: '::/0',
  doorOf: doorAddressIpv6,
};

/** Those that there are; `lacking`: why IPv6 has none. */
export const waysOutUnless = <S extends Spec>(
  lacking: string | undefined,
  ipv4: WaysOut<S>['ipv4'],
  ipv6: WaysOut<S>['ipv4'],
): WaysOut<S> => ({
  ipv4,
  ipv6: lacking === undefined ? ipv6 : { lacking: `IPv6 cannot leave here: ${lacking}` },
});

/** The ways out of a router whose namespace this is, on Linux. `lacking`: why IPv6 has none. */
export const linuxWaysOut = (namespace: string, lacking: string | undefined): WaysOut<LinuxSpec> =>
  waysOutUnless(
    lacking,
    (router, underlay) => egressObjects(router, namespace, underlay, IPV4),
    (router, underlay) => egressObjects(router, namespace, underlay, IPV6),
  );

/**
 * The way out of a router: a veth from its namespace (the door) into the DPU's (the exit), translated to an address of
 * its own at the door and to the uplink's there. The default route comes last, behind the tables.
 */
function egressObjects(
  router: string,
  namespace: string,
  underlay: Underlay,
  { exit: exitAddress, bits, defaultRoute, doorOf }: DoorFamily,
): readonly DriverObject<LinuxSpec>[] {
  const [exit, door] = [exitName(namespace), doorName(namespace)];
  const own = doorOf(router);
  const home = namespaceKey(namespace);
  const { mtu } = underlay;
  const address = (where: string, device: string, local: string, peer: string): DriverObject<LinuxSpec> => ({
    key: addressKey(device, `${local}/${bits}`),
    spec: { kind: 'address', namespace: where, device, address: `${local}/${bits}`, peer },
    after: [linkKey(device)],
    within: linkKey(device),
  });
  const guards = [fixedTable(namespace, 'egress'), uplinkTable(underlay.device, underlay.address)];
  const addresses = [address('', exit, exitAddress, own), address(namespace, door, own, exitAddress)];
  return [
    ...guards,
    {
      key: linkKey(exit),
      spec: { kind: 'exit', name: exit, namespace, peer: door, mtu, up: true, forwarding: true },
      after: [home, ...guards.map(({ key }) => key)],
    },
    {
      key: linkKey(door),
      spec: { kind: 'door', namespace, name: door, mtu, up: true },
      after: [linkKey(exit)],
      within: linkKey(exit),
    },
    ...addresses,
    {
      key: routeKey(namespace, defaultRoute),
      spec: {
        kind: 'route',
        namespace,
        destination: defaultRoute,
        nextHops: [{ gateway: exitAddress, device: door, weight: 1 }],
        mtu: 0,
      },
      after: [linkKey(door), ...addresses.map(({ key }) => key)],
      within: home,
    },
  ];
}
