import { isLabel, LABEL_RULE } from '@outboard/contracts';
import {
  type CommonConfiguration,
  type EnvironmentReader,
  readCommonConfiguration,
} from '@outboard/service-shell/process';
import type { AccelerationSettings } from '../acceleration/host-acceleration.js';
import type { WorkloadSettings } from '../workloads/host-workloads.js';

const DRIVERS = ['linux', 'ovs'] as const;
/** With the uid of a session and the name of a socket it must fit a socket's address (unix(7)). */
export const MAX_SOCKET_DIRECTORY = 50;
const MAX_THREADS = 64;

/** What the dataplane is made of: the kernel's bridges and tunnels, or Open vSwitch. */
export type DriverName = (typeof DRIVERS)[number];

export interface WorkerConfiguration extends CommonConfiguration {
  readonly dpu: string;
  readonly serialNumber: string;
  /** Empty if unknown. */
  readonly host: string;
  /** Of the first physical function, as the host sees it, lower case with colons; empty: what the driver finds. */
  readonly pfMacAddress: string;
  readonly underlayDevice: string;
  readonly driver: DriverName;
  /** Run directory of an Open vSwitch that somebody else keeps running; undefined: the worker runs one of its own. */
  readonly ovsDirectory: string | undefined;
  /** Undefined: this worker serves no acceleration. */
  readonly acceleration: AccelerationSettings | undefined;
  readonly workloads: WorkloadSettings;
  /** Undefined: the dataplane is compared with its documents only when something happens. */
  readonly resyncMilliseconds: number | undefined;
  /** Program that reboots this machine; undefined: somebody else does. */
  readonly rebootCommand: string | undefined;
}

const MAX_RESYNC_SECONDS = 86_400;
const DEFAULT_RESYNC_SECONDS = 60;
const DEFAULT_UNDERLAY_DEVICE = 'up0';

const SERIAL_NUMBER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MAC_ADDRESS = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i;
/** IFNAMSIZ of linux/if.h less the terminating zero; dev_valid_name() refuses `/`, `:` and spaces. */
const DEVICE = /^(?!\.{1,2}$)[^/:\s]{1,15}$/;

const isHostName = (value: string): boolean => value.length <= 253 && value.split('.').every(isLabel);
const isUnicastMacAddress = (value: string): boolean =>
  MAC_ADDRESS.test(value) && (Number.parseInt(value.slice(0, 2), 16) & 1) === 0;

/** The worker's configuration; what is wrong with it is in the reader's problems. */
export function readConfiguration(environment: EnvironmentReader): WorkerConfiguration {
  const common = readCommonConfiguration(environment);
  const pfMacAddress = environment.read(
    'OUTBOARD_DPU_PF_MAC_ADDRESS',
    (value) => value === '' || isUnicastMacAddress(value),
    'a unicast MAC address such as 02:00:5e:00:10:05',
    '',
  );
  const resyncSeconds = environment.integer(
    'OUTBOARD_RESYNC_SECONDS',
    0,
    MAX_RESYNC_SECONDS,
    DEFAULT_RESYNC_SECONDS,
  );
  return {
    ...common,
    dpu: environment.read('OUTBOARD_DPU_NAME', isLabel, LABEL_RULE.replace(/^must be /, '')),
    serialNumber: environment.read(
      'OUTBOARD_DPU_SERIAL_NUMBER',
      (value) => SERIAL_NUMBER.test(value),
      '1-64 of A-Z, a-z, 0-9, . _ - ; starting with a letter or digit',
    ),
    host: environment.read(
      'OUTBOARD_DPU_HOST',
      (value) => value === '' || isHostName(value),
      'an RFC 1123 subdomain, at most 253 characters',
      '',
    ),
    pfMacAddress: pfMacAddress.toLowerCase().replaceAll('-', ':'),
    underlayDevice: environment.read(
      'OUTBOARD_UNDERLAY_DEVICE',
      (value) => DEVICE.test(value),
      'the name of a network device, 1-15 characters',
      DEFAULT_UNDERLAY_DEVICE,
    ),
    driver: environment.oneOf('OUTBOARD_DRIVER', DRIVERS, 'linux'),
    acceleration: readAcceleration(environment),
    workloads: readWorkloads(environment),
    ovsDirectory: environment.optionalPath('OUTBOARD_OVS_DIRECTORY'),
    rebootCommand: environment.optionalPath('OUTBOARD_REBOOT_COMMAND'),
    resyncMilliseconds: resyncSeconds === 0 ? undefined : resyncSeconds * 1_000,
  };
}

function readAcceleration(environment: EnvironmentReader): AccelerationSettings | undefined {
  const socketDirectory = environment.read(
    'OUTBOARD_ACCELERATION_DIRECTORY',
    (value) => value === '' || (value.startsWith('/') && value.length <= MAX_SOCKET_DIRECTORY),
    `an absolute path of at most ${MAX_SOCKET_DIRECTORY} characters`,
    '',
  );
  const threads = (name: string): number => environment.integer(name, 1, MAX_THREADS, 1);
  const lightThreads = threads('OUTBOARD_ACCELERATION_LIGHT_THREADS');
  const heavyThreads = threads('OUTBOARD_ACCELERATION_HEAVY_THREADS');
  const injectsFaults = environment.oneOf('OUTBOARD_ACCELERATION_FAULTS', ['allowed', 'refused'], 'refused');
  return socketDirectory === ''
    ? undefined
    : { socketDirectory, lightThreads, heavyThreads, injectsFaults: injectsFaults === 'allowed' };
}

const CGROUP = /^(\/[A-Za-z0-9_.-]{1,64}){1,4}$/;
const VARIABLES = /^([A-Za-z_][A-Za-z0-9_]*=[^,]*)(,[A-Za-z_][A-Za-z0-9_]*=[^,]*)*$/;

function readWorkloads(environment: EnvironmentReader): WorkloadSettings {
  const cgroupParent = environment.read(
    'OUTBOARD_CGROUP_PARENT',
    (value) => CGROUP.test(value),
    'a path of cgroups such as /outboard, of at most four steps',
    '/outboard',
  );
  const directories = environment.read(
    'OUTBOARD_WORKLOAD_DIRECTORIES',
    (value) => value === '' || value.split(':').every((path) => path.startsWith('/')),
    'absolute paths, separated by colons',
    '',
  );
  const variables = environment.read(
    'OUTBOARD_WORKLOAD_ENVIRONMENT',
    (value) => value === '' || VARIABLES.test(value),
    'NAME=value, several separated by commas',
    '',
  );
  return {
    cgroupParent,
    programDirectories: directories === '' ? [] : directories.split(':'),
    environment: Object.fromEntries(
      variables === ''
        ? []
        : variables.split(',').map((each) => {
            const equals = each.indexOf('=');
            return [each.slice(0, equals), each.slice(equals + 1)];
          }),
    ),
  };
}
