import type { WantedWorkload } from '../workload.js';
import type { ImageConfiguration } from './image.js';

/** Where a workload finds its directory. */
export const OUTBOARD_DIRECTORY = '/run/outboard';
/** And its acceleration sessions: `<name>/` with sockets, `<name>.token`. */
const OUTBOARD_ACCELERATION = '/run/acceleration';
/** In its own network namespace every workload may do what a network function does. */
const USUAL_CAPABILITIES = ['NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW'];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What of this machine a workload without an image sees, read only: programs and what they need to start. */
const PROGRAM_DIRECTORIES = ['/usr', '/etc/ssl', '/etc/alternatives', '/etc/ld.so.cache'];
const CPU_PERIOD_MICROSECONDS = 100_000;
const MEBIBYTE = 1 << 20;
/** Workloads go before what keeps them. */
const OOM_SCORE = 500;
const DEVICE_NUMBERS: Readonly<Record<string, { readonly major: number; readonly minor: number }>> = {
  '/dev/net/tun': { major: 10, minor: 200 },
};

export type Limit = 'cpu' | 'memory' | 'processes';
export const LIMITS: readonly Limit[] = ['cpu', 'memory', 'processes'];
export const NAMESPACES = ['pid', 'network', 'mount', 'ipc', 'uts'] as const;

export interface BundleInput {
  readonly workload: WantedWorkload;
  readonly image: ImageConfiguration | undefined;
  /** Of the root file system. */
  readonly root: string;
  readonly networkNamespace: string;
  readonly cgroup: string;
  /** That can be enforced here. */
  readonly limits: readonly Limit[];
  /** What it finds at `$OUTBOARD_DIRECTORY`, and may write to. */
  readonly sharedDirectory: string;
  /** Files to be put in: where each lies here and there. */
  readonly files: readonly { readonly source: string; readonly destination: string }[];
  /** Acceleration sessions: where their sockets and its token for them lie here. */
  readonly sessions: readonly {
    readonly name: string;
    readonly directory: string;
    readonly tokenFile: string;
  }[];
  /** More directories of this machine that a workload without an image sees. */
  readonly programDirectories: readonly string[];
  /** Variables that every workload here has. */
  readonly environment: Readonly<Record<string, string>>;
}

type Mount = {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options?: readonly string[];
};

const bind = (source: string, destination: string, ...options: string[]): Mount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'nosuid', 'nodev', ...options],
});

const tmpfs = (destination: string, ...options: string[]): Mount => ({
  destination,
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['nosuid', ...options],
});

/** The configuration of a container (OCI runtime specification 1.0, config.json). */
export function bundleConfiguration(input: BundleInput): object {
  const { workload, image, root, limits } = input;
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: image?.user ?? { uid: 0, gid: 0 },
      args: commandOf(workload, image),
      env: environmentOf(input),
      cwd: workload.workingDirectory || image?.workingDirectory || '/',
      noNewPrivileges: true,
      oomScoreAdj: OOM_SCORE,
      capabilities: capabilitiesOf(workload),
      rlimits: [{ type: 'RLIMIT_CORE', hard: 0, soft: 0 }],
    },
    root: { path: root, readonly: true },
    hostname: workload.name,
    mounts: mountsOf(input),
    linux: {
      namespaces: NAMESPACES.map((type) =>
        type === 'network' ? { type, path: input.networkNamespace } : { type },
      ),
      cgroupsPath: input.cgroup,
      resources: {
        devices: [{ allow: false, access: 'rwm' }, ...workload.devices.map(allowDevice)],
        ...(limits.includes('cpu') && {
          cpu: {
            period: CPU_PERIOD_MICROSECONDS,
            quota: Math.max(1000, (workload.cpuMillicores * CPU_PERIOD_MICROSECONDS) / 1000),
            shares: Math.max(2, Math.round((workload.cpuMillicores * 1024) / 1000)),
          },
        }),
        ...(limits.includes('memory') && {
          // Memory and swap together: no swap.
          memory: {
            limit: workload.memoryMebibytes * MEBIBYTE,
            swap: workload.memoryMebibytes * MEBIBYTE,
          },
        }),
        ...(limits.includes('processes') && { pids: { limit: workload.processes } }),
      },
      devices: workload.devices.map((path) => ({
        path,
        type: 'c',
        ...DEVICE_NUMBERS[path],
        fileMode: 0o666,
      })),
      sysctl: { ...workload.sysctls },
      maskedPaths: [
        '/proc/acpi',
        '/proc/kcore',
        '/proc/keys',
        '/proc/latency_stats',
        '/proc/timer_list',
        '/proc/sched_debug',
        '/proc/scsi',
        '/sys/firmware',
      ],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}

/** As Kubernetes has it: a command replaces the image's entry point and its arguments. */
function commandOf(
  { command, arguments: more }: WantedWorkload,
  image: ImageConfiguration | undefined,
): string[] {
  if (command.length > 0) return [...command, ...more];
  return [...(image?.entrypoint ?? []), ...(more.length > 0 ? more : (image?.command ?? []))];
}

function environmentOf({ workload, image, environment, sessions }: BundleInput): string[] {
  const { tenant, name } = workload;
  const variables = {
    PATH,
    ...Object.fromEntries((image?.environment ?? []).map(splitVariable)),
    ...environment,
    ...workload.environment,
    OUTBOARD_DIRECTORY,
    ...(sessions.length > 0 && { OUTBOARD_ACCELERATION }),
    OUTBOARD_TENANT: tenant,
    OUTBOARD_WORKLOAD: name,
  };
  return Object.entries(variables).map(([key, value]) => `${key}=${value}`);
}

function splitVariable(text: string): [string, string] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
}

function capabilitiesOf({ capabilities }: WantedWorkload): object {
  const all = [...new Set([...USUAL_CAPABILITIES, ...capabilities])].map((name) => `CAP_${name}`);
  return { bounding: all, effective: all, permitted: all };
}

const allowDevice = (path: string) => ({ allow: true, type: 'c', ...DEVICE_NUMBERS[path], access: 'rwm' });

const mountsOf = ({ image, sharedDirectory, files, sessions, programDirectories }: BundleInput): Mount[] => [
  { destination: '/proc', type: 'proc', source: 'proc' },
  tmpfs('/dev', 'strictatime', 'mode=755', 'size=65536k'),
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
  },
  tmpfs('/dev/shm', 'nodev', 'noexec', 'mode=1777', 'size=16384k'),
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  tmpfs('/tmp', 'nodev', 'mode=1777'),
  tmpfs('/run', 'nodev', 'mode=755'),
  ...(image === undefined
    ? [...PROGRAM_DIRECTORIES, ...programDirectories].map((path) => bind(path, path, 'ro'))
    : []),
  bind(sharedDirectory, OUTBOARD_DIRECTORY, 'noexec'),
  // To connect to a socket is no writing to its file system.
  ...sessions.flatMap(({ name, directory, tokenFile }) => [
    bind(directory, `${OUTBOARD_ACCELERATION}/${name}`, 'ro', 'noexec'),
    bind(tokenFile, `${OUTBOARD_ACCELERATION}/${name}.token`, 'ro', 'noexec'),
  ]),
  ...files.map(({ source, destination }) => bind(source, destination, 'ro')),
];
