import type { JsonObject } from '@bufbuild/protobuf';
import type { LabelSelector } from '../../label-selector.js';
import type { Resource, Status } from '../../resource.js';
import type { DeviceName, Name } from '../../values.js';

export const RESTART_POLICIES = ['ALWAYS', 'ON_FAILURE', 'NEVER'] as const;
export type RestartPolicy = (typeof RESTART_POLICIES)[number];

/** What a workload may be given besides the usual ones (capabilities(7)): nothing that reaches beyond its namespaces. */
export const LINUX_CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'IPC_LOCK',
  'KILL',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_NICE',
] as const;
export type LinuxCapability = (typeof LINUX_CAPABILITIES)[number];

export const DEVICE_FILES = ['/dev/net/tun'] as const;
export type DeviceFile = (typeof DEVICE_FILES)[number];

export interface WorkloadResources {
  /** Thousandths of a core. */
  readonly cpuMillicores: number;
  readonly memoryMebibytes: number;
  /** Processes and threads. */
  readonly processes: number;
}

export interface WorkloadInterface {
  readonly name: DeviceName;
  readonly port: Name;
  /** Undefined: where the first gateway is. */
  readonly defaultRoute: boolean | undefined;
}

export interface WorkloadFile {
  /** Absolute, without `.` and `..`. */
  readonly path: string;
  readonly content: string;
  /** Permissions. */
  readonly mode: number;
}

export type ProbeAction =
  | { readonly kind: 'exec'; readonly command: readonly string[] }
  | { readonly kind: 'http'; readonly path: string };

export interface Probe {
  readonly action: ProbeAction;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
  readonly initialDelaySeconds: number;
}

export interface WorkloadSpec {
  readonly dpu: Name | undefined;
  readonly dpuSelector: LabelSelector | undefined;
  /** Absolute path; undefined: the DPU's own programs. */
  readonly image: string | undefined;
  readonly command: readonly string[];
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string | undefined;
  readonly resources: WorkloadResources;
  readonly interfaces: readonly WorkloadInterface[];
  readonly files: readonly WorkloadFile[];
  readonly restartPolicy: RestartPolicy;
  readonly readinessProbe: Probe | undefined;
  readonly livenessProbe: Probe | undefined;
  readonly terminationGraceSeconds: number;
  readonly capabilities: readonly LinuxCapability[];
  readonly devices: readonly DeviceFile[];
  readonly sysctls: Readonly<Record<string, string>>;
  /** AccelerationSessions of the tenant. */
  readonly accelerationSessions: readonly Name[];
}

export const WORKLOAD_STATES = [
  'PENDING',
  'STARTING',
  'RUNNING',
  'STOPPING',
  'BACKOFF',
  'SUCCEEDED',
  'FAILED',
] as const;
export type WorkloadState = (typeof WORKLOAD_STATES)[number];

export const TERMINATION_REASONS = [
  'COMPLETED',
  'ERROR',
  'SIGNALLED',
  'OUT_OF_MEMORY',
  'UNHEALTHY',
  'CANNOT_START',
  'UNKNOWN',
] as const;
export type TerminationReason = (typeof TERMINATION_REASONS)[number];

export interface Termination {
  readonly reason: TerminationReason;
  readonly exitCode: number | undefined;
  /** Empty: none ended it. */
  readonly signal: string;
  readonly message: string;
  /** RFC 3339 in UTC. */
  readonly time: string;
}

export interface Isolation {
  readonly runtime: string;
  readonly namespaces: readonly string[];
  /** That are enforced. */
  readonly limits: readonly string[];
  /** Why others are not; empty: all are. */
  readonly reason: string;
}

/** What an interface was given, as its port tells. */
export interface WorkloadPort {
  readonly interface: string;
  readonly port: string;
  readonly portUid: string;
  readonly representor: string;
  readonly macAddress: string;
  readonly mtu: number;
  /** With prefix length. */
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
}

export interface PublishedMethod {
  readonly name: string;
  /** JSON Schemas; undefined: anything. */
  readonly request: JsonObject | undefined;
  readonly response: JsonObject | undefined;
}

/** What a CNF serves. */
export interface PublishedInterface {
  readonly name: string;
  readonly version: string;
  readonly methods: readonly PublishedMethod[];
  /** JSON Schema; undefined: it takes no configuration. */
  readonly configuration: JsonObject | undefined;
  /** Text of a YANG module; empty: none. */
  readonly yang: string;
  readonly yangCheck: string;
}

export interface WorkloadStatus extends Status {
  readonly dpu: Name | undefined;
  /** Starts it while `dpu`, which is drained, still runs it; undefined: none. */
  readonly movingTo: Name | undefined;
  readonly state: WorkloadState | undefined;
  /** RFC 3339 in UTC; empty: never reported. */
  readonly since: string;
  readonly restarts: number;
  readonly lastTermination: Termination | undefined;
  readonly isolation: Isolation | undefined;
  readonly ports: readonly WorkloadPort[];
  readonly interfaces: readonly PublishedInterface[];
  readonly ready: boolean;
  /** Why it is not ready, or does not run; empty: nothing is wrong. */
  readonly message: string;
}

/** A program that runs on a DPU. */
export type Workload = Resource<'Workload', WorkloadSpec, WorkloadStatus>;
