import { isLabel } from '@outboard/contracts';
import { labelValueProblem } from '@outboard/model';
import {
  type CommonConfiguration,
  type EnvironmentReader,
  readCommonConfiguration,
} from '@outboard/service-shell/process';
import { Tenancy } from '../domain/tenancy.js';

export interface HostAgentConfiguration extends CommonConfiguration {
  /** As DPUs say that they are plugged into it, and Kubernetes calls the node. */
  readonly host: string;
  /** Of the Unix socket that the plugin talks to. */
  readonly socketPath: string;
  readonly tenancy: Tenancy;
  /** From the call to its answer, milliseconds; runtimes wait for two minutes and more. */
  readonly addMilliseconds: number;
  /** Between two looks for what is left of pods that are gone. */
  readonly reconcileMilliseconds: number;
}

/** Where the plugin looks unless it was built, or is told, to look elsewhere. */
export const DEFAULT_SOCKET = '/run/outboard/cni.sock';
const DEFAULT_TENANTS = '*=*';
/** sun_path of struct sockaddr_un (linux/un.h) less the terminating zero. */
const MAX_SOCKET_PATH = 107;

/** A label's value, since ports are labelled with it. */
const isHost = (text: string): boolean =>
  text.length > 0 && text.split('.').every(isLabel) && labelValueProblem(text) === undefined;

/** The agent's configuration; what is wrong with it is in the reader's problems. */
export function readConfiguration(environment: EnvironmentReader): HostAgentConfiguration {
  return {
    ...readCommonConfiguration(environment),
    host: environment.read('OUTBOARD_HOST_NAME', isHost, 'an RFC 1123 subdomain, at most 63 characters'),
    socketPath: environment.read(
      'OUTBOARD_CNI_SOCKET',
      (value) => value.startsWith('/') && Buffer.byteLength(value) <= MAX_SOCKET_PATH,
      `an absolute path of at most ${MAX_SOCKET_PATH} bytes`,
      DEFAULT_SOCKET,
    ),
    tenancy:
      Tenancy.parse(
        environment.read(
          'OUTBOARD_TENANTS',
          (value) => Tenancy.parse(value) !== undefined,
          Tenancy.RULE,
          DEFAULT_TENANTS,
        ),
      ) ?? Tenancy.own,
    addMilliseconds: environment.integer('OUTBOARD_CNI_ADD_MILLISECONDS', 1_000, 110_000, 30_000),
    reconcileMilliseconds: environment.integer('OUTBOARD_RECONCILE_SECONDS', 1, 3_600, 30) * 1_000,
  };
}
