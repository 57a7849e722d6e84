import { create } from '@bufbuild/protobuf';
import {
  type DpuInterface as DpuInterfaceMessage,
  type DpuNetworkConfigurationSpec as DpuNetworkConfigurationSpecMessage,
  DpuNetworkConfigurationSpecSchema,
  type DpuRoute as DpuRouteMessage,
} from '@outboard/contracts';
import { err, ok, type Problems, unwrap } from '@outboard/core';
import { all, atMost, distinct, oneOf, optional, required } from '../../fields.js';
import {
  addressBits,
  hostRange,
  type IpAddress,
  ipFamily,
  parseIpAddress,
  parseIpPrefix,
  prefixContains,
  prefixOf,
  rangeContains,
} from '../../ip.js';
import { MIN_MTU, type Parser, parseDeviceName } from '../../values.js';
import { ADMIN_STATES } from '../port/spec.js';
import type { DpuInterface, DpuNetworkConfigurationSpec, DpuRoute, InterfaceAddress } from './spec.js';

export const MAX_INTERFACES = 32;
const MAX_INTERFACE_ADDRESSES = 16;
const MAX_DPU_ROUTES = 256;
/** What a fabric must carry for packets of 9000 bytes in tunnels: the largest that common switches have. */
const MAX_UPLINK_MTU = 9216;
export const DEFAULT_CONFIRM_TIMEOUT_SECONDS = 30;
const CONFIRM_TIMEOUT_SECONDS = { minimum: 5, maximum: 600 };

/** What no device of a DPU has for others to reach, or the kernel makes itself. */
const UNUSABLE = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/127', 'fe80::/10', 'ff00::/8'].map(
  (prefix) => unwrap(parseIpPrefix(prefix)),
);
const LINK_LOCAL = unwrap(parseIpPrefix('fe80::/10'));

const parseAdminState = oneOf(ADMIN_STATES);

const within =
  (minimum: number, maximum: number): Parser<number, number> =>
  (value) =>
    value >= minimum && value <= maximum ? ok(value) : err(`must be ${minimum} to ${maximum}`);

const parseUplinkMtu = within(MIN_MTU, MAX_UPLINK_MTU);
const parseConfirmTimeout = within(CONFIRM_TIMEOUT_SECONDS.minimum, CONFIRM_TIMEOUT_SECONDS.maximum);

/** The address of an interface without the length of its prefix. */
export const interfaceIp = (address: InterfaceAddress): IpAddress =>
  address.slice(0, address.indexOf('/')) as IpAddress;

/** The network that an address of an interface is in. */
const networkOf = (address: InterfaceAddress) =>
  prefixOf(interfaceIp(address), Number(address.slice(address.indexOf('/') + 1)));

/** A host address with the length of its prefix, in canonical form. */
const parseInterfaceAddress: Parser<string, InterfaceAddress> = (text) => {
  const slash = text.indexOf('/');
  const address = parseIpAddress(text.slice(0, Math.max(slash, 0)));
  const digits = text.slice(slash + 1);
  if (!address.ok || !/^[1-9][0-9]{0,2}$/.test(digits)) {
    return err('must be an address with the length of its prefix such as 10.254.0.1/24');
  }
  const bits = addressBits(ipFamily(address.value));
  if (Number(digits) > bits) return err(`must have a prefix length of at most ${bits}`);
  const reserved = UNUSABLE.find((prefix) => prefixContains(prefix, address.value));
  if (reserved !== undefined) return err(`must not be in ${reserved}`);
  const network = prefixOf(address.value, Number(digits));
  return rangeContains(hostRange(network), address.value)
    ? ok(`${address.value}/${digits}` as InterfaceAddress)
    : err(`must be a host address of ${network}`);
};

function parseInterface(
  message: DpuInterfaceMessage,
  field: string,
  problems: Problems,
): DpuInterface | undefined {
  const { mtu, adminState, addresses, exclusiveAddresses, master } = message;
  const device = required(problems, `${field}.device`, message.device, parseDeviceName);
  if (mtu === 0 && adminState === '' && addresses.length === 0 && !exclusiveAddresses && master === '') {
    problems.add(field, 'must set at least one of mtu, adminState, addresses, exclusiveAddresses, master');
  }
  atMost(problems, `${field}.addresses`, addresses, MAX_INTERFACE_ADDRESSES);
  const parsed = all(
    addresses.map((text, index) =>
      required(problems, `${field}.addresses[${index}]`, text, parseInterfaceAddress),
    ),
  );
  const values = {
    mtu: optional(problems, `${field}.mtu`, mtu, parseUplinkMtu),
    adminState: optional(problems, `${field}.adminState`, adminState, parseAdminState),
    exclusiveAddresses,
    master: optional(problems, `${field}.master`, master, parseDeviceName),
  };
  if (values.master !== undefined && values.master === device) {
    problems.add(`${field}.master`, 'must not be the device itself');
  }
  return device && parsed && { device, ...values, addresses: parsed };
}

function parseRoute(message: DpuRouteMessage, field: string, problems: Problems): DpuRoute | undefined {
  const { metric } = message;
  const destination = required(problems, `${field}.destination`, message.destination, parseIpPrefix);
  const gateway = optional(problems, `${field}.gateway`, message.gateway, parseIpAddress);
  const device = optional(problems, `${field}.device`, message.device, parseDeviceName);
  if (message.gateway === '' && message.device === '') {
    problems.add(field, 'must have at least one of gateway, device');
  }
  if (gateway && destination && ipFamily(gateway) !== ipFamily(destination)) {
    problems.add(`${field}.gateway`, `must be an IPv${ipFamily(destination)} address, as the destination is`);
  }
  if (gateway && message.device === '' && prefixContains(LINK_LOCAL, gateway)) {
    problems.add(`${field}.device`, 'is required with a link-local gateway');
  }
  return destination && { destination, gateway, device, metric };
}

/** What can be said of a gateway from the configuration alone: the rest is the DPU's to know. */
function checkGateways(
  routes: readonly (DpuRoute | undefined)[],
  interfaces: readonly DpuInterface[],
  problems: Problems,
): void {
  const own = new Set(interfaces.flatMap(({ addresses }) => addresses.map(interfaceIp)));
  for (const [index, route] of routes.entries()) {
    const { gateway, device } = route ?? {};
    if (gateway === undefined) continue;
    const field = `spec.routes[${index}].gateway`;
    if (own.has(gateway)) problems.add(field, 'must not be an address of the DPU');
    const towards = interfaces.find((each) => each.device === device);
    if (!towards?.exclusiveAddresses || prefixContains(LINK_LOCAL, gateway)) continue;
    if (!towards.addresses.some((address) => prefixContains(networkOf(address), gateway))) {
      problems.add(field, `must be on a network of ${device}, whose addresses are exclusive`);
    }
  }
}

export function parseDpuNetworkConfigurationSpec(
  message: DpuNetworkConfigurationSpecMessage = create(DpuNetworkConfigurationSpecSchema),
  problems: Problems,
): DpuNetworkConfigurationSpec | undefined {
  atMost(problems, 'spec.interfaces', message.interfaces, MAX_INTERFACES);
  atMost(problems, 'spec.routes', message.routes, MAX_DPU_ROUTES);
  if (message.interfaces.length === 0 && message.routes.length === 0) {
    problems.add('spec', 'must have at least one of interfaces, routes');
  }
  const interfaces = message.interfaces.map((each, index) =>
    parseInterface(each, `spec.interfaces[${index}]`, problems),
  );
  const routes = message.routes.map((each, index) => parseRoute(each, `spec.routes[${index}]`, problems));
  distinct(
    problems,
    interfaces,
    (each) => each?.device,
    (index) => `spec.interfaces[${index}].device`,
  );
  const addresses = interfaces.flatMap((each, index) =>
    (each?.addresses ?? []).map((address, position) => ({
      address,
      field: `spec.interfaces[${index}].addresses[${position}]`,
    })),
  );
  distinct(
    problems,
    addresses,
    ({ address }) => interfaceIp(address),
    (index) => addresses[index]?.field ?? '',
  );
  distinct(
    problems,
    routes,
    (route) => route && `${route.destination} ${route.metric}`,
    (index) => `spec.routes[${index}].destination`,
  );
  checkGateways(
    routes,
    interfaces.filter((each) => each !== undefined),
    problems,
  );
  const timeout = 'spec.confirmTimeoutSeconds';
  const confirmTimeoutSeconds =
    optional(problems, timeout, message.confirmTimeoutSeconds, parseConfirmTimeout) ??
    DEFAULT_CONFIRM_TIMEOUT_SECONDS;
  const devices = all(interfaces);
  const parsed = all(routes);
  return (
    devices &&
    parsed && { interfaces: devices, routes: parsed, confirmTimeoutSeconds, attempt: message.attempt }
  );
}
