import type { FixedTableName } from './fixed-tables.js';
import { BRIDGE_PORT_SETS } from './port-sets.js';
import { remembered } from './remembered.js';

export const NULL_MAC = '00:00:00:00:00:00';

export const linkKey = remembered((name) => `link/${name}`);
/** What needs that device and nothing else: of a bridge there are many. */
export const afterLink = remembered((name): readonly string[] => [linkKey(name)]);
export const namespaceKey = (name: string): string => `namespace/${name}`;
export const guardKey = (namespace: string, table: FixedTableName): string => `guard/${namespace}/${table}`;
export const addressKey = (device: string, address: string): string => `address/${device}/${address}`;
/** The table that has a set of ports or policies. */
export const setHome = (namespace: string, set: string): string =>
  guardKey(namespace, BRIDGE_PORT_SETS.has(set) ? 'ports' : 'policies');
export const bridgeEntryKey = (bridge: string, mac: string): string => `bridgeentry/${bridge}/${mac}`;
export const tunnelEntryKey = (tunnel: string, mac: string, destination: string): string =>
  mac === NULL_MAC ? `tunnelentry/${tunnel}/flood/${destination}` : `tunnelentry/${tunnel}/${mac}`;
export const neighbourKey = (bridge: string, address: string): string => `neighbour/${bridge}/${address}`;
export const senderKey = (
  namespace: string,
  port: string,
  mac: string,
  source: string | undefined,
): string =>
  source === undefined
    ? `sender/${namespace}/${port}/${mac}`
    : `sender/${namespace}/${port}/${mac}/${source}`;
export const routeKey = (namespace: string, destination: string): string =>
  `route/${namespace}/${destination}`;
export const rateKey = (device: string): string => `rate/${device}`;
/** The priorities of filters at a device, in the order in which they are asked; gates come after them. */
export const STEERING_PRIORITIES = { hopexit: 180, steering: 185, closure: 190 } as const;

/** Filters of one priority are told apart by their handles, which are 31 bits of a hash. */
export const steeringKey = (device: string, priority: number, handle: number): string =>
  `steering/${device}/${priority}/${handle.toString(16)}`;
export const gateKey = (device: string): string => `gate/${device}`;
export const policySetKey = (namespace: string, name: string): string => `policyset/${namespace}/${name}`;
export const policyCounterKey = (namespace: string, name: string): string =>
  `policycounter/${namespace}/${name}`;
export const policyChainKey = (namespace: string, name: string): string => `policychain/${namespace}/${name}`;
export const policyElementKey = (
  namespace: string,
  set: string,
  key: string,
  end: string | undefined,
): string => `policyelement/${namespace}/${set}/${end === undefined ? key : `${key}-${end}`}`;
