import { hash } from 'node:crypto';
import type { EgressGateway } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject, Realisation, Spec, Underlay } from '../driver.js';
import { fixedTable, uplinkTable } from './fixed-table-objects.js';
import { addressKey, type LinuxSpec, linkKey, namespaceKey, routeKey } from './linux-objects.js';
import { doorName, exitName } from './names.js';
import { ipVersion } from './realise-encapsulation.js';
import { ROUTER_KEY } from './realise-route.js';

/** The DPU's side of every exit: link-local, on no other link, and the same for all as each has a link of its own. */
export const EXIT_ADDRESS = '169.254.0.1';
const DEFAULT_ROUTE = '0.0.0.0/0';
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

/** The way out of a router by the underlay's device, under its address. Throws AppError INVALID_ARGUMENT. */
export function realiseEgress<S extends Spec>(
  { router }: EgressGateway,
  underlay: Underlay | undefined,
  objects: (router: string, underlay: Underlay) => readonly DriverObject<S>[],
): Realisation<S> {
  const problems = new Problems();
  if (!ROUTER_KEY.test(router)) problems.add('router', 'must be the key of a Router');
  if (problems.total > 0) throw problems.toError();
  const unsupported = (why: string): Realisation<S> => ({ kind: 'unsupported', why, references: [] });
  if (underlay === undefined) return unsupported('there is no uplink with an address on this DPU');
  return ipVersion(underlay.address) === 4
    ? { kind: 'realised', objects: objects(router, underlay), references: [] }
    : unsupported(`${underlay.device} has no IPv4 address that packets could leave with`);
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
  const address = (where: string, device: string, local: string, peer: string): DriverObject<LinuxSpec> => ({
    key: addressKey(device, `${local}/32`),
    spec: { kind: 'address', namespace: where, device, address: `${local}/32`, peer },
    after: [linkKey(device)],
    within: linkKey(device),
  });
  const guards = [fixedTable(namespace, 'egress'), uplinkTable(underlay.device, underlay.address)];
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
