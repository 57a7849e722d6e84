import {
  connectNats,
  inboxPrefixOf,
  type NatsOptions,
  type Role,
  readSeed,
  type StreamBus,
} from '@outboard/bus';
import { AppError } from '@outboard/core';
import type { CommonConfiguration } from './common-configuration.js';

/**
 * The bus as one role, which is also the name that the server's operator sees. The seed is read at each call: it may be
 * written after the process has started. Rejects with UNAUTHENTICATED where there is no seed in the file or the server does
 * not let the role in, INVALID_ARGUMENT where the servers are not addresses, or UNAVAILABLE.
 */
export async function connectAs(
  role: Pick<Role, 'name'>,
  {
    natsServers,
    natsSeedFile,
    connectMilliseconds,
    waiting,
  }: Pick<CommonConfiguration, 'natsServers' | 'natsSeedFile'> &
    Pick<NatsOptions, 'connectMilliseconds' | 'waiting'>,
): Promise<StreamBus> {
  const seed = natsSeedFile === undefined ? undefined : await seedOf(natsSeedFile);
  return connectNats({
    servers: natsServers,
    name: role.name,
    inboxPrefix: inboxPrefixOf(role),
    ...(seed !== undefined && { seed }),
    ...(connectMilliseconds !== undefined && { connectMilliseconds }),
    ...(waiting && { waiting }),
  });
}

/** As readSeed, naming the setting that is at fault. */
async function seedOf(file: string): Promise<Uint8Array> {
  try {
    return await readSeed(file);
  } catch (failure) {
    const { code, message } = AppError.from(failure);
    throw new AppError(code, `OUTBOARD_NATS_SEED_FILE: ${message}`, { cause: failure });
  }
}
