import type { JsonObject } from './json.js';

export type RestartPolicy = 'ALWAYS' | 'ON_FAILURE' | 'NEVER';

/** A program that shall run on this machine. */
export interface WantedWorkload {
  /** Names its directory, its namespace and its container: a lower-case UUID or another RFC 1123 label. */
  readonly uid: string;
  readonly tenant: string;
  readonly name: string;
  readonly generation: number;
  /** Absolute path of an OCI image layout or a root file system; empty: this machine's own programs. */
  readonly image: string;
  readonly command: readonly string[];
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute; empty: as the image says. */
  readonly workingDirectory: string;
  readonly cpuMillicores: number;
  readonly memoryMebibytes: number;
  readonly processes: number;
  readonly interfaces: readonly WantedInterface[];
  readonly files: readonly WantedFile[];
  readonly restartPolicy: RestartPolicy;
  readonly readinessProbe: WantedProbe | undefined;
  readonly livenessProbe: WantedProbe | undefined;
  readonly terminationGraceSeconds: number;
  /** Linux capabilities besides the usual ones, without `CAP_`. */
  readonly capabilities: readonly string[];
  readonly devices: readonly string[];
  readonly sysctls: Readonly<Record<string, string>>;
  /** Acceleration sessions of its tenant that it is started with. */
  readonly accelerationSessions: readonly string[];
}

export interface WantedInterface {
  /** Of the device in the workload. */
  readonly name: string;
  readonly portUid: string;
  /** The function is the other end of the veth with this name. */
  readonly representor: string;
  readonly macAddress: string;
  readonly mtu: number;
  /** With prefix length. */
  readonly addresses: readonly string[];
  /** Of default routes, at most one of each family. */
  readonly gateways: readonly string[];
}

export interface WantedFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

export interface WantedProbe {
  readonly action:
    | { readonly kind: 'exec'; readonly command: readonly string[] }
    | { readonly kind: 'http'; readonly path: string };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  /** Failures in a row that count. */
  readonly failureThreshold: number;
  readonly initialDelaySeconds: number;
}

/** What an interface of a workload shall be configured as. */
export interface WantedConfiguration {
  readonly uid: string;
  readonly generation: number;
  readonly workloadUid: string;
  readonly interface: string;
  readonly configuration: JsonObject;
}

export type WorkloadState = 'STARTING' | 'RUNNING' | 'STOPPING' | 'BACKOFF' | 'SUCCEEDED' | 'FAILED';

export type TerminationReason =
  | 'COMPLETED'
  | 'ERROR'
  | 'SIGNALLED'
  | 'OUT_OF_MEMORY'
  | 'UNHEALTHY'
  | 'CANNOT_START'
  | 'UNKNOWN';

export interface Termination {
  readonly reason: TerminationReason;
  readonly exitCode: number | undefined;
  /** Empty: none ended it. */
  readonly signal: string;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface Isolation {
  /** Program and version. */
  readonly runtime: string;
  readonly namespaces: readonly string[];
  /** Limits that are enforced. */
  readonly limits: readonly string[];
  /** Why others are not; empty: all are. */
  readonly reason: string;
}

/** What became of a workload. */
export interface WorkloadView {
  readonly uid: string;
  readonly generation: number;
  readonly state: WorkloadState;
  readonly ready: boolean;
  /** Why it is not ready, or did not start; empty: nothing is wrong. */
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly restarts: number;
  readonly lastTermination: Termination | undefined;
  readonly isolation: Isolation | undefined;
}
