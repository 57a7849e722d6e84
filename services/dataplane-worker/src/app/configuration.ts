import { isLabel, LABEL_RULE } from '@outboard/contracts';
import { type AppError, err, ok, Problems, type Result } from '@outboard/core';

export interface WorkerConfiguration {
  readonly natsServers: readonly string[];
  /** Absent for a server without authorisation. */
  readonly natsSeedFile: string | undefined;
  readonly dataDirectory: string;
  readonly dpu: string;
  readonly serialNumber: string;
  /** Empty if unknown. */
  readonly host: string;
  /** Of the physical function, as the host sees it: canonical, lower case with colons. */
  readonly pfMacAddress: string;
  readonly underlayDevice: string;
  /** Undefined: the dataplane is compared with its documents only when something happens. */
  readonly resyncMilliseconds: number | undefined;
  readonly logLevel: LogLevel;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const MAX_SERVERS = 16;
const MAX_RESYNC_SECONDS = 86_400;
const DEFAULT_RESYNC_SECONDS = '60';
const DEFAULT_UNDERLAY_DEVICE = 'up0';

const SERVER = /^(nats|tls):\/\/(?<host>\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[0-9]{1,5})?$/i;
const SERIAL_NUMBER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MAC_ADDRESS = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i;
/** IFNAMSIZ of linux/if.h less the terminating zero; dev_valid_name() refuses `/`, `:` and spaces. */
const DEVICE = /^[^/:\s]{1,15}$/;

/** The worker's configuration from the environment. INVALID_ARGUMENT lists everything that is wrong with it. */
export function parseConfiguration(
  environment: Readonly<Record<string, string | undefined>>,
): Result<WorkerConfiguration, AppError> {
  const problems = new Problems();
  const read = (name: string, isValid: (value: string) => boolean, rule: string, absent?: string): string => {
    const value = environment[name] || absent;
    if (value === undefined) problems.add(name, `must be set: ${rule}`);
    else if (!isValid(value)) problems.add(name, `must be ${rule}`);
    return value ?? '';
  };
  const servers = read(
    'OUTBOARD_NATS_URL',
    (value) => value.split(',').length <= MAX_SERVERS && value.split(',').every((url) => SERVER.test(url)),
    `nats://host:port or tls://host:port, up to ${MAX_SERVERS} of one cluster, separated by commas`,
  );
  const isPath = (value: string): boolean => value.startsWith('/');
  const seedFile = read(
    'OUTBOARD_NATS_SEED_FILE',
    (value) => value === '' || isPath(value),
    'an absolute path',
    '',
  );
  const dataDirectory = read('OUTBOARD_DATA_DIRECTORY', isPath, 'an absolute path');
  const dpu = read('OUTBOARD_DPU_NAME', isLabel, LABEL_RULE.replace(/^must be /, ''));
  const serialNumber = read(
    'OUTBOARD_DPU_SERIAL_NUMBER',
    (value) => SERIAL_NUMBER.test(value),
    '1-64 of A-Z, a-z, 0-9, . _ - ; starting with a letter or digit',
  );
  const host = read(
    'OUTBOARD_DPU_HOST',
    (value) => value === '' || (value.length <= 253 && value.split('.').every(isLabel)),
    'an RFC 1123 subdomain, at most 253 characters',
    '',
  );
  const pfMacAddress = read(
    'OUTBOARD_DPU_PF_MAC_ADDRESS',
    (value) => MAC_ADDRESS.test(value) && (Number.parseInt(value.slice(0, 2), 16) & 1) === 0,
    'a unicast MAC address such as 02:00:5e:00:10:05',
  );
  const underlayDevice = read(
    'OUTBOARD_UNDERLAY_DEVICE',
    (value) => DEVICE.test(value) && value !== '.' && value !== '..',
    'the name of a network device, 1-15 characters',
    DEFAULT_UNDERLAY_DEVICE,
  );
  const resync = read(
    'OUTBOARD_RESYNC_SECONDS',
    (value) => /^[0-9]{1,6}$/.test(value) && Number(value) <= MAX_RESYNC_SECONDS,
    `a whole number of seconds, 1-${MAX_RESYNC_SECONDS}, or 0 for never`,
    DEFAULT_RESYNC_SECONDS,
  );
  const isLevel = (value: string): value is LogLevel => LOG_LEVELS.some((level) => level === value);
  const logLevel = read('OUTBOARD_LOG_LEVEL', isLevel, `one of ${LOG_LEVELS.join(', ')}`, 'info');
  if (problems.total > 0 || !isLevel(logLevel)) return err(problems.toError());
  return ok({
    natsServers: servers.split(','),
    natsSeedFile: seedFile || undefined,
    dataDirectory,
    dpu,
    serialNumber,
    host,
    pfMacAddress: pfMacAddress.toLowerCase().replaceAll('-', ':'),
    underlayDevice,
    resyncMilliseconds: Number(resync) * 1_000 || undefined,
    logLevel,
  });
}
