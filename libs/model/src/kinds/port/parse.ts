import { create } from '@bufbuild/protobuf';
import {
  type AddressPair as AddressPairMessage,
  type Bandwidth as BandwidthMessage,
  type FunctionIdentity as FunctionIdentityMessage,
  type NamedPort as NamedPortMessage,
  type PortAddress as PortAddressMessage,
  type PortSpec as PortSpecMessage,
  PortSpecSchema,
  type Trunk as TrunkMessage,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, atMost, distinct, oneOf, optional, required } from '../../fields.js';
import { parseAddressOrPrefix, parseIpAddress } from '../../ip.js';
import {
  MAX_VLAN_ID,
  parseMacAddress,
  parseName,
  parsePortName,
  parsePortNumber,
  parseSerialNumber,
} from '../../values.js';
import {
  ADMIN_STATES,
  type AddressPair,
  type Bandwidth,
  type FunctionIdentity,
  MAX_KBPS,
  MIN_KBPS,
  type NamedPort,
  OFFLOADS,
  type PortAddress,
  type PortSpec,
  type Trunk,
} from './spec.js';

export const MAX_PORT_ADDRESSES = 16;
export const MAX_ALLOWED_ADDRESS_PAIRS = 64;
export const MAX_PORT_POLICIES = 16;
export const MAX_NAMED_PORTS = 32;
/** SR-IOV has 16 bits for VFs; devlink users see no device with more than these. */
export const MAX_VF_NUMBER = 4095;
const MAX_SF_NUMBER = 65_535;

const parseAdminState = oneOf(ADMIN_STATES);
const parseOffload = oneOf(OFFLOADS);
const parseTransport = oneOf(['TCP', 'UDP'] as const);

function parseFunctionIdentity(
  { serialNumber, pfMacAddress, vfNumber, sfNumber }: FunctionIdentityMessage,
  problems: Problems,
): FunctionIdentity | undefined {
  const field = 'spec.function';
  const serial = required(problems, `${field}.serialNumber`, serialNumber, parseSerialNumber);
  const pf = required(problems, `${field}.pfMacAddress`, pfMacAddress, parseMacAddress);
  if (sfNumber !== undefined && sfNumber > MAX_SF_NUMBER) {
    problems.add(`${field}.sfNumber`, `must be 0 to ${MAX_SF_NUMBER}`);
  }
  if (sfNumber !== undefined && vfNumber !== undefined) {
    problems.add(`${field}.sfNumber`, 'must be absent with vfNumber');
  }
  if (vfNumber !== undefined && vfNumber > MAX_VF_NUMBER) {
    problems.add(`${field}.vfNumber`, `must be 0 to ${MAX_VF_NUMBER}`);
  }
  if (serial === undefined || pf === undefined) return undefined;
  return { serialNumber: serial, pfMacAddress: pf, vfNumber, ...(sfNumber !== undefined && { sfNumber }) };
}

function parsePortAddress(
  { subnet, ip }: PortAddressMessage,
  field: string,
  problems: Problems,
): PortAddress | undefined {
  const name = required(problems, `${field}.subnet`, subnet, parseName);
  const address = optional(problems, `${field}.ip`, ip, parseIpAddress);
  return name && { subnet: name, ip: address };
}

function parseAddressPair(
  { ip, macAddress }: AddressPairMessage,
  field: string,
  problems: Problems,
): AddressPair | undefined {
  const prefix = required(problems, `${field}.ip`, ip, parseAddressOrPrefix);
  const mac = optional(problems, `${field}.macAddress`, macAddress, parseMacAddress);
  return prefix && { ip: prefix, macAddress: mac };
}

function parseNamedPort(
  { name: text, protocol, port: number }: NamedPortMessage,
  field: string,
  problems: Problems,
): NamedPort | undefined {
  const name = required(problems, `${field}.name`, text, parsePortName);
  const transport = optional(problems, `${field}.protocol`, protocol, parseTransport) ?? 'TCP';
  if (number === 0) problems.add(`${field}.port`, 'is required');
  const port = optional(problems, `${field}.port`, number, parsePortNumber);
  return name === undefined || port === undefined ? undefined : { name, protocol: transport, port };
}

function parseSecurityPolicies(
  names: readonly string[],
  problems: Problems,
): PortSpec['securityPolicies'] | undefined {
  const field = 'spec.securityPolicies';
  atMost(problems, field, names, MAX_PORT_POLICIES);
  distinct(
    problems,
    names,
    (name) => name,
    (index) => `${field}[${index}]`,
  );
  return all(names.map((name, index) => required(problems, `${field}[${index}]`, name, parseName)));
}

function parseNamedPorts(
  messages: readonly NamedPortMessage[],
  problems: Problems,
): PortSpec['namedPorts'] | undefined {
  const field = 'spec.namedPorts';
  atMost(problems, field, messages, MAX_NAMED_PORTS);
  const namedPorts = all(
    messages.map((message, index) => parseNamedPort(message, `${field}[${index}]`, problems)),
  );
  const keyOf = ({ name, protocol }: NamedPort) => `${name} ${protocol}`;
  if (namedPorts !== undefined) distinct(problems, namedPorts, keyOf, (index) => `${field}[${index}]`);
  return namedPorts;
}

function parseBandwidth(
  { ingressKbps, egressKbps }: BandwidthMessage,
  problems: Problems,
): Bandwidth | undefined {
  const rate = (name: keyof Bandwidth, value: number): number | undefined => {
    if (value === 0) return undefined;
    if (value < MIN_KBPS || value > MAX_KBPS)
      problems.add(`spec.bandwidth.${name}`, `must be ${MIN_KBPS} to ${MAX_KBPS}`);
    return value;
  };
  const bandwidth = {
    ingressKbps: rate('ingressKbps', ingressKbps),
    egressKbps: rate('egressKbps', egressKbps),
  };
  if (ingressKbps === 0 && egressKbps === 0)
    problems.add('spec.bandwidth', 'must limit something: ingressKbps, egressKbps or both');
  return bandwidth;
}

function parseTrunk({ parent: name, vlanId }: TrunkMessage, problems: Problems): Trunk | undefined {
  const parent = required(problems, 'spec.trunk.parent', name, parseName);
  if (vlanId < 1 || vlanId > MAX_VLAN_ID) problems.add('spec.trunk.vlanId', `must be 1 to ${MAX_VLAN_ID}`);
  return parent && { parent, vlanId };
}

export function parsePortSpec(
  message: PortSpecMessage = create(PortSpecSchema),
  problems: Problems,
): PortSpec | undefined {
  const network = required(problems, 'spec.network', message.network, parseName);
  const identity = message.function && parseFunctionIdentity(message.function, problems);
  const trunk = message.trunk && parseTrunk(message.trunk, problems);
  if (message.trunk && message.function) problems.add('spec.function', 'must be absent with trunk');

  const addressesField = 'spec.addresses';
  atMost(problems, addressesField, message.addresses, MAX_PORT_ADDRESSES);
  const addresses = all(
    message.addresses.map((address, index) =>
      parsePortAddress(address, `${addressesField}[${index}]`, problems),
    ),
  );
  const subnetOf = ({ subnet }: PortAddressMessage) => subnet || undefined;
  distinct(problems, message.addresses, subnetOf, (index) => `${addressesField}[${index}].subnet`);

  const securityPolicies = parseSecurityPolicies(message.securityPolicies, problems);
  const namedPorts = parseNamedPorts(message.namedPorts, problems);

  const pairsField = 'spec.allowedAddressPairs';
  atMost(problems, pairsField, message.allowedAddressPairs, MAX_ALLOWED_ADDRESS_PAIRS);
  const allowedAddressPairs = all(
    message.allowedAddressPairs.map((pair, index) =>
      parseAddressPair(pair, `${pairsField}[${index}]`, problems),
    ),
  );
  if (allowedAddressPairs !== undefined) {
    const pairOf = ({ ip, macAddress }: AddressPair) => `${ip} ${macAddress ?? ''}`;
    distinct(problems, allowedAddressPairs, pairOf, (index) => `${pairsField}[${index}]`);
  }

  const bandwidth = message.bandwidth && parseBandwidth(message.bandwidth, problems);
  const macAddress = optional(problems, 'spec.macAddress', message.macAddress, parseMacAddress);
  const adminState = optional(problems, 'spec.adminState', message.adminState, parseAdminState) ?? 'UP';
  const offload = optional(problems, 'spec.offload', message.offload, parseOffload) ?? 'PREFERRED';
  if (network === undefined || addresses === undefined || allowedAddressPairs === undefined) return undefined;
  if (securityPolicies === undefined || namedPorts === undefined) return undefined;
  return {
    network,
    function: identity,
    addresses,
    macAddress,
    securityPolicies,
    allowedAddressPairs,
    adminState,
    offload,
    namedPorts,
    bandwidth,
    ...(trunk && { trunk }),
  };
}
