import { hash } from 'node:crypto';
import type { DriverObject, Underlay } from '../driver.js';
import { FIXED_TABLES } from './fixed-tables.js';
import { addressKey, guardKey, type LinuxSpec, linkKey, namespaceKey, routeKey } from './linux-objects.js';
import { doorName, exitName } from './names.js';

/** The DPU's side of every exit: link-local, on no other link, and the same for all as each has a link of its own. */
const EXIT_ADDRESS = '169.254.0.1';
const DEFAULT_ROUTE = '0.0.0.0/0';
/** Of 240.0.0.0/5. */
const DOOR_ADDRESSES = 2 ** 27;

/**
 * What all traffic of a router that leaves this DPU has as source until it is at the uplink: so routers whose tenants
 * have the same addresses are told apart there. Two routers of a DPU with one address would be told as a conflict.
 */
function doorAddress(router: string): string {
  const number =
    (240 * 2 ** 24 + (Number.parseInt(hash('sha256', router, 'hex').slice(0, 8), 16) % DOOR_ADDRESSES)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}

/**
 * The way out of a router: a veth from its namespace (the door) into the DPU's (the exit), translated to an address of
 * its own at the door and to the underlay's at the uplink. The default route comes last, behind the tables.
 */
export function egressObjects(
  router: string,
  namespace: string,
  underlay: Underlay,
): readonly DriverObject<LinuxSpec>[] {
  const [exit, door] = [exitName(namespace), doorName(namespace)];
  const own = doorAddress(router);
  const home = namespaceKey(namespace);
  const { mtu } = underlay;
  const way = `${underlay.device} ${underlay.address}`;
  const guard = (where: string, table: 'egress' | 'uplink', more: object = {}): DriverObject<LinuxSpec> => {
    const { revision, rules } = FIXED_TABLES[table];
    const spec = { kind: 'guard', namespace: where, table, revision, rules, ...more } as const;
    return { key: guardKey(where, table), spec, after: where === '' ? [] : [home] };
  };
  const address = (where: string, device: string, local: string, peer: string): DriverObject<LinuxSpec> => ({
    key: addressKey(device, `${local}/32`),
    spec: { kind: 'address', namespace: where, device, address: `${local}/32`, peer },
    after: [linkKey(device)],
    within: linkKey(device),
  });
  const guards = [{ ...guard(namespace, 'egress'), within: home }, guard('', 'uplink', { way })];
  const addresses = [address('', exit, EXIT_ADDRESS, own), address(namespace, door, own, EXIT_ADDRESS)];
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
      key: routeKey(namespace, DEFAULT_ROUTE),
      spec: {
        kind: 'route',
        namespace,
        destination: DEFAULT_ROUTE,
        nextHops: [{ gateway: EXIT_ADDRESS, device: door, weight: 1 }],
      },
      after: [linkKey(door), ...addresses.map(({ key }) => key)],
      within: home,
    },
  ];
}
