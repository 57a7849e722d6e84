import { create } from '@bufbuild/protobuf';
import {
  type AddressPair as AddressPairMessage,
  type FunctionIdentity as FunctionIdentityMessage,
  type PortAddress as PortAddressMessage,
  type PortSpec as PortSpecMessage,
  PortSpecSchema,
} from '@outboard/contracts';
import { ok, type Problems } from '@outboard/core';
import { all, atMost, distinct, oneOf, optional, required } from '../../fields.js';
import { hostPrefix, type IpPrefix, parseIpAddress, parseIpPrefix } from '../../ip.js';
import { type Parser, parseMacAddress, parseName, parseSerialNumber } from '../../values.js';
import {
  ADMIN_STATES,
  type AddressPair,
  type FunctionIdentity,
  OFFLOADS,
  type PortAddress,
  type PortSpec,
} from './spec.js';

export const MAX_PORT_ADDRESSES = 16;
export const MAX_ALLOWED_ADDRESS_PAIRS = 64;
/** SR-IOV has 16 bits for VFs; devlink users see no device with more than these. */
export const MAX_VF_NUMBER = 4095;

const parseAdminState = oneOf(ADMIN_STATES);
const parseOffload = oneOf(OFFLOADS);

/** An address or a prefix; an address is the prefix that holds it only. */
const parseAddressOrPrefix: Parser<string, IpPrefix> = (text) => {
  if (text.includes('/')) return parseIpPrefix(text);
  const address = parseIpAddress(text);
  return address.ok ? ok(hostPrefix(address.value)) : { ok: false, error: `${address.error} or a prefix` };
};

function parseFunctionIdentity(
  { serialNumber, pfMacAddress, vfNumber }: FunctionIdentityMessage,
  problems: Problems,
): FunctionIdentity | undefined {
  const field = 'spec.function';
  const serial = required(problems, `${field}.serialNumber`, serialNumber, parseSerialNumber);
  const pf = required(problems, `${field}.pfMacAddress`, pfMacAddress, parseMacAddress);
  if (vfNumber !== undefined && vfNumber > MAX_VF_NUMBER) {
    problems.add(`${field}.vfNumber`, `must be 0 to ${MAX_VF_NUMBER}`);
  }
  if (serial === undefined || pf === undefined) return undefined;
  return { serialNumber: serial, pfMacAddress: pf, vfNumber };
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

export function parsePortSpec(
  message: PortSpecMessage = create(PortSpecSchema),
  problems: Problems,
): PortSpec | undefined {
  const network = required(problems, 'spec.network', message.network, parseName);
  const identity = message.function && parseFunctionIdentity(message.function, problems);

  const addressesField = 'spec.addresses';
  atMost(problems, addressesField, message.addresses, MAX_PORT_ADDRESSES);
  const addresses = all(
    message.addresses.map((address, index) =>
      parsePortAddress(address, `${addressesField}[${index}]`, problems),
    ),
  );
  const subnetOf = ({ subnet }: PortAddressMessage) => subnet || undefined;
  distinct(problems, message.addresses, subnetOf, (index) => `${addressesField}[${index}].subnet`);

  if (message.securityPolicies.length > 0) {
    problems.add('spec.securityPolicies', 'must be empty: security policies are not available yet');
  }

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

  const macAddress = optional(problems, 'spec.macAddress', message.macAddress, parseMacAddress);
  const adminState = optional(problems, 'spec.adminState', message.adminState, parseAdminState) ?? 'UP';
  const offload = optional(problems, 'spec.offload', message.offload, parseOffload) ?? 'PREFERRED';
  if (network === undefined || addresses === undefined || allowedAddressPairs === undefined) return undefined;
  return {
    network,
    function: identity,
    addresses,
    macAddress,
    securityPolicies: [],
    allowedAddressPairs,
    adminState,
    offload,
  };
}
