import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isServerUrl } from '@outboard/bus';
import { isLabel, isRequester, LABEL_RULE } from '@outboard/contracts';
import { usageError } from './failure.js';

export const DEFAULT_SERVER = 'nats://127.0.0.1:4222';

/** Where a local stack leaves the operator's seed. */
export const LOCAL_SEED = '.outboard/local-stack/credentials/operator.seed';

/** The options that every command has, as commander gives them. */
export interface CommonOptions {
  readonly server?: string;
  readonly seed?: string;
  readonly tenant?: string;
  readonly timeout?: string;
}

/** What a command works with: options first, then the environment, then what a local stack has left. */
export interface Settings {
  readonly server: string;
  readonly seedFile: string | undefined;
  readonly tenant: string | undefined;
  /** Undefined: the command's own default. */
  readonly timeoutMilliseconds: number | undefined;
  /** Whom changes are said to come from; undefined: nobody. */
  readonly requestedBy: string | undefined;
}

/** @throws AppError USAGE for what cannot be meant. */
export function resolveSettings(
  options: CommonOptions,
  environment: Readonly<Record<string, string | undefined>>,
  directory: string,
): Settings {
  const server = options.server ?? (environment.OUTBOARD_NATS_URL || DEFAULT_SERVER);
  if (!server.split(',').every(isServerUrl)) {
    // Not told what it is instead: a password may be in it.
    throw usageError(
      '--server',
      `must be nats://host:port or tls://host:port such as ${DEFAULT_SERVER}, several joined by commas; who asks is told by --seed`,
    );
  }
  const tenant = options.tenant ?? (environment.OUTBOARD_TENANT || undefined);
  if (tenant !== undefined && !isLabel(tenant)) throw usageError('--tenant', LABEL_RULE);
  const seedFile = options.seed ?? (environment.OUTBOARD_NATS_SEED_FILE || findLocalSeed(directory));
  return {
    server,
    seedFile,
    tenant,
    timeoutMilliseconds: options.timeout === undefined ? undefined : parseDuration(options.timeout),
    requestedBy: isRequester(environment.USER) ? environment.USER : undefined,
  };
}

/** In the folder, or the nearest one above it that has one. */
export function findLocalSeed(directory: string): string | undefined {
  for (let folder = resolve(directory); ; folder = dirname(folder)) {
    const candidate = join(folder, LOCAL_SEED);
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

/** The role that a seed's file is named after, and the folder that it is in. */
export function seedPlace(file: string): { readonly directory: string; readonly role: string } {
  const [, role] = /^(.+)\.seed$/.exec(basename(file)) ?? [];
  if (role !== undefined) return { directory: dirname(file), role };
  throw usageError('--seed', `must be named after its role, such as operator.seed, not ${basename(file)}`);
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Longest wait: what a timer can hold. */
const MAX_MILLISECONDS = 2 ** 31 - 1;

/** `500ms`, `30s`, `5m`, `1h`; a number alone is seconds. */
export function parseDuration(text: string): number {
  const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const milliseconds = Number(amount) * UNITS[unit as keyof typeof UNITS];
  if (milliseconds >= 1 && milliseconds <= MAX_MILLISECONDS) return Math.round(milliseconds);
  throw usageError(
    '--timeout',
    `must be a time of 1 ms to 24 days such as 500ms, 30s, 5m or 1h, not ${text}`,
  );
}
