import { readFile } from 'node:fs/promises';
import { connectNats, inboxPrefixOf, type NatsOptions, type Role, type StreamBus } from '@outboard/bus';
import type { CommonConfiguration } from './common-configuration.js';

/**
 * The bus as one role, which is also the name that the server's operator sees. The seed is read at each call: it may be
 * written after the process has started. Rejects with the system's error where it cannot be read, INVALID_ARGUMENT where
 * the servers are not addresses, UNAUTHENTICATED where the server does not let the role in, or UNAVAILABLE.
 */
export async function connectAs(
  role: Pick<Role, 'name'>,
  {
    natsServers,
    natsSeedFile,
    connectMilliseconds,
  }: Pick<CommonConfiguration, 'natsServers' | 'natsSeedFile'> & Pick<NatsOptions, 'connectMilliseconds'>,
): Promise<StreamBus> {
  const seed = natsSeedFile === undefined ? undefined : await readFile(natsSeedFile);
  return connectNats({
    servers: natsServers,
    name: role.name,
    inboxPrefix: inboxPrefixOf(role),
    ...(seed !== undefined && { seed }),
    ...(connectMilliseconds !== undefined && { connectMilliseconds }),
  });
}
