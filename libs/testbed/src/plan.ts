import { isIP } from 'node:net';
import { Problems } from '@outboard/core';
import type { PrefixedAddress } from '@outboard/netlink';

/** One DPU as a caller describes it. */
export interface DpuSpecification {
  /** RFC 1123 label, at most 20 characters. */
  readonly name: string;
  readonly serialNumber: string;
  /** Of the PF as the host sees it, `08:c0:eb:8a:d7:8a`. */
  readonly pfMacAddress: string;
  /** How many virtual functions, 0 to 1100; the PF comes besides. */
  readonly functions: number;
  /** The host it sits in; absent: a host of its own, `host-<dpu>`. */
  readonly host?: string;
  /** Inside 10.254.0.0/24; absent: 10.254.0.N for the Nth DPU. */
  readonly underlayAddress?: string;
  /** Whether its functions leave checksums to the DPU, which one that forwards in user space cannot do. Default true. */
  readonly checksumOffload?: boolean;
}

export interface TestbedSpecification {
  /** RFC 1123 label, at most 16 characters; unique among the testbeds that live on this machine. */
  readonly name: string;
  readonly dpus: readonly DpuSpecification[];
  /** MTU of the underlay in bytes, 1280 to 9216; absent: 1500. */
  readonly underlayMtu?: number;
  /** Whether DPUs have a second uplink, which leads to a fabric of its own, for VLAN and FLAT networks. Default false. */
  readonly providerNetwork?: boolean;
}

/** A function of a DPU: one veth, whose ends are called the representor (on the DPU) and the device (on the host). */
export interface FunctionPlan {
  /** Undefined: the PF. */
  readonly vfNumber: number | undefined;
  readonly representor: string;
  readonly hostDevice: string;
  /** Of the representor. The device's on the host is another (`hostIndexOf`), unique there among all its DPUs'. */
  readonly index: number;
  readonly macAddress: string;
}

export interface DpuPlan {
  readonly name: string;
  readonly serialNumber: string;
  readonly pfMacAddress: string;
  readonly host: string;
  readonly namespace: string;
  /** Its position, from 1; the last byte of its addresses. */
  readonly number: number;
  readonly underlay: { readonly device: string; readonly addresses: readonly PrefixedAddress[] };
  readonly management: { readonly device: string; readonly addresses: readonly PrefixedAddress[] };
  /** The uplink to the provider network, which has no addresses; undefined: none. */
  readonly provider: { readonly device: string } | undefined;
  readonly functions: readonly FunctionPlan[];
  readonly checksumOffload: boolean;
}

/** Everything that a testbed consists of, before anything of it exists. */
export interface TestbedPlan {
  readonly name: string;
  /** What the names of all its namespaces start with, also of those that programs make inside it. */
  readonly prefix: string;
  readonly underlayMtu: number;
  readonly providerNetwork: boolean;
  readonly fabricNamespace: string;
  readonly controlNamespace: string;
  /** Where the message bus listens, on the management network. */
  readonly control: PrefixedAddress;
  readonly dpus: readonly DpuPlan[];
  readonly hosts: readonly HostPlan[];
}

/** A server, which reaches the message bus by the management network as DPUs do. */
export interface HostPlan {
  readonly name: string;
  readonly namespace: string;
  /** Its position, from 1; the last byte of its address. */
  readonly number: number;
  readonly management: { readonly device: string; readonly addresses: readonly PrefixedAddress[] };
}

export const UNDERLAY_DEVICE = 'up0';
const PROVIDER_DEVICE = 'up1';
export const MANAGEMENT_DEVICE = 'mgmt0';
/** DPUs and the bus are in its first 256 addresses, hosts in the second. */
const MANAGEMENT_PREFIX_LENGTH = 23;
const MAX_DPUS = 200;
const MAX_FUNCTIONS = 1100;
export const MAX_TESTBED_NAME = 16;
const MAX_DPU_NAME = 20;
/** Also of hosts. With the longest testbed name a namespace's name stays within its 64 characters. */
export const MAX_POD_NAME = 32;
/** Device indexes of functions: one block per DPU. The low ones are the kernel's. */
const INDEX_BLOCK = 2000;
const HOST_INDEX = 1_000_000;

/**
 * Never the index of the other end: where both ends of a veth have the same one, the kernel takes them for one device
 * whose carrier is in no hurry, and tells its changes once a second, 100 devices at a time for the whole machine
 * (linkwatch_urgent_event in net/core/link_watch.c).
 */
export const hostIndexOf = (own: FunctionPlan): number => own.index + HOST_INDEX;

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** No label contains a dot, so no testbed's prefix is another's. */
export const namespacePrefix = (testbed: string): string => `ob-${testbed}.`;
export const podNamespace = (testbed: string, pod: string): string => `${namespacePrefix(testbed)}pod.${pod}`;

/** A sentence that says what is wrong with a name, or undefined. */
export const labelProblem = (name: string, maximum: number): string | undefined =>
  LABEL.test(name) && name.length <= maximum
    ? undefined
    : `must be an RFC 1123 label of at most ${maximum} characters`;

/** Checks a specification and works out names, addresses and devices. Throws AppError INVALID_ARGUMENT. */
export function planTestbed(specification: TestbedSpecification): TestbedPlan {
  const underlayMtu = specification.underlayMtu ?? 1500;
  check(specification, underlayMtu);
  const { name, providerNetwork = false } = specification;
  const prefix = namespacePrefix(name);
  const dpus = specification.dpus.map((dpu, index) => planDpu(prefix, dpu, index + 1, providerNetwork));
  const hosts = [...new Set(dpus.map((dpu) => dpu.host))];
  return {
    name,
    prefix,
    underlayMtu,
    providerNetwork,
    fabricNamespace: `${prefix}fabric`,
    controlNamespace: `${prefix}control`,
    control: { ip: '10.255.0.254', prefixLength: MANAGEMENT_PREFIX_LENGTH },
    dpus,
    hosts: hosts.map((host, index) => planHost(prefix, host, index + 1)),
  };
}

const planHost = (prefix: string, name: string, number: number): HostPlan => ({
  name,
  namespace: `${prefix}host.${name}`,
  number,
  management: {
    device: MANAGEMENT_DEVICE,
    addresses: [{ ip: `10.255.1.${number}`, prefixLength: MANAGEMENT_PREFIX_LENGTH }],
  },
});

function planDpu(prefix: string, dpu: DpuSpecification, number: number, providerNetwork: boolean): DpuPlan {
  const { name, serialNumber, pfMacAddress, functions } = dpu;
  const vfNumbers = Array.from({ length: functions }, (_, vfNumber) => vfNumber);
  // The names that a host gives to a network card on bus N and its functions (systemd.net-naming-scheme(7)).
  const pfDevice = `enp${number}s0f0`;
  return {
    name,
    serialNumber,
    pfMacAddress,
    host: dpu.host ?? defaultHost(name),
    namespace: `${prefix}dpu.${name}`,
    number,
    checksumOffload: dpu.checksumOffload ?? true,
    underlay: {
      device: UNDERLAY_DEVICE,
      addresses: [
        { ip: dpu.underlayAddress ?? `10.254.0.${number}`, prefixLength: 24 },
        { ip: `fd00:254::${number.toString(16)}`, prefixLength: 64 },
      ],
    },
    management: {
      device: MANAGEMENT_DEVICE,
      addresses: [{ ip: `10.255.0.${number}`, prefixLength: MANAGEMENT_PREFIX_LENGTH }],
    },
    provider: providerNetwork ? { device: PROVIDER_DEVICE } : undefined,
    functions: [
      {
        vfNumber: undefined,
        representor: 'pf0hpf',
        hostDevice: pfDevice,
        index: number * INDEX_BLOCK,
        macAddress: pfMacAddress,
      },
      ...vfNumbers.map((vfNumber) => ({
        vfNumber,
        representor: `pf0vf${vfNumber}`,
        hostDevice: `${pfDevice}v${vfNumber}`,
        index: number * INDEX_BLOCK + 1 + vfNumber,
        // Locally administered, and different for every function of the testbed.
        macAddress: `02:0b:00:${hex(number)}:${hex(vfNumber >> 8)}:${hex(vfNumber & 255)}`,
      })),
    ],
  };
}

const defaultHost = (dpu: string): string => `host-${dpu}`;
const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

function check(specification: TestbedSpecification, underlayMtu: number): void {
  const problems = new Problems();
  const { name, dpus } = specification;
  const requireLabel = (field: string, label: string, maximum: number): void => {
    const problem = labelProblem(label, maximum);
    if (problem !== undefined) problems.add(field, problem);
  };
  requireLabel('name', name, MAX_TESTBED_NAME);
  if (!Number.isInteger(underlayMtu) || underlayMtu < 1280 || underlayMtu > 9216) {
    problems.add('underlayMtu', 'must be 1280 to 9216');
  }
  if (dpus.length > MAX_DPUS) problems.add('dpus', `must be at most ${MAX_DPUS}`);
  const taken = new Map<string, string>();
  const requireUnique = (field: string, kind: string, value: string): void => {
    const first = taken.get(`${kind} ${value}`);
    if (first === undefined) taken.set(`${kind} ${value}`, field);
    else problems.add(field, `must be unique, is also ${first}`);
  };
  dpus.slice(0, MAX_DPUS).forEach((dpu, index) => {
    const path = `dpus[${index}]`;
    requireLabel(`${path}.name`, dpu.name, MAX_DPU_NAME);
    requireUnique(`${path}.name`, 'name', dpu.name);
    if (dpu.host !== undefined) requireLabel(`${path}.host`, dpu.host, MAX_POD_NAME);
    if (dpu.serialNumber === '') problems.add(`${path}.serialNumber`, 'must not be empty');
    requireUnique(`${path}.serialNumber`, 'serialNumber', dpu.serialNumber);
    if (!MAC.test(dpu.pfMacAddress)) {
      problems.add(`${path}.pfMacAddress`, 'must be six lower-case hexadecimal bytes with colons');
    } else if (Number.parseInt(dpu.pfMacAddress.slice(0, 2), 16) & 1) {
      problems.add(`${path}.pfMacAddress`, 'must not be a group address');
    }
    requireUnique(`${path}.pfMacAddress`, 'pfMacAddress', dpu.pfMacAddress);
    if (!Number.isInteger(dpu.functions) || dpu.functions < 0 || dpu.functions > MAX_FUNCTIONS) {
      problems.add(`${path}.functions`, `must be 0 to ${MAX_FUNCTIONS}`);
    }
    const address = dpu.underlayAddress ?? `10.254.0.${index + 1}`;
    const host = isIP(address) === 4 && address.startsWith('10.254.0.') ? Number(address.slice(9)) : 0;
    if (host < 1 || host > 254) problems.add(`${path}.underlayAddress`, 'must be 10.254.0.1 to 10.254.0.254');
    requireUnique(`${path}.underlayAddress`, 'underlayAddress', address);
  });
  if (problems.total > 0) throw problems.toError();
}
