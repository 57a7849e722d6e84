import { isServerUrl } from '@outboard/bus';
import type { EnvironmentReader } from './environment.js';

/** What every process of Outboard is told. */
export interface CommonConfiguration {
  readonly natsServers: readonly string[];
  /** Absent for a server without authorisation. */
  readonly natsSeedFile: string | undefined;
  readonly dataDirectory: string;
  readonly logLevel: LogLevel;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const MAX_SERVERS = 16;

export function readCommonConfiguration(environment: EnvironmentReader): CommonConfiguration {
  const servers = environment.read(
    'OUTBOARD_NATS_URL',
    (value) => value.split(',').length <= MAX_SERVERS && value.split(',').every(isServerUrl),
    `nats://host:port or tls://host:port, up to ${MAX_SERVERS} of one cluster, separated by commas`,
  );
  return {
    natsServers: servers.split(','),
    natsSeedFile: environment.optionalPath('OUTBOARD_NATS_SEED_FILE'),
    dataDirectory: environment.path('OUTBOARD_DATA_DIRECTORY'),
    logLevel: environment.oneOf('OUTBOARD_LOG_LEVEL', LOG_LEVELS, 'info'),
  };
}
