import { connectNats, readCredentials, type StreamBus } from '@outboard/bus';
import { type Settings, seedPlace } from './settings.js';

/** How long an unreachable server is tried, milliseconds: somebody waits for the answer. */
const CONNECT = 2_000;
/** The same where more time is given, which may be meant for something else. */
const MAX_CONNECT = 5_000;

/** Connects to NATS in the role whose seed is given. */
export async function connect({ server, seedFile, timeoutMilliseconds }: Settings): Promise<StreamBus> {
  const place = seedFile === undefined ? undefined : seedPlace(seedFile);
  return connectNats({
    servers: server.split(','),
    name: 'outboard-cli',
    connectMilliseconds: Math.min(timeoutMilliseconds ?? CONNECT, MAX_CONNECT),
    ...(place && (await readCredentials(place.directory, place.role))),
  });
}
