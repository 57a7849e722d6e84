import { AcceleratorError } from './accelerator-error.js';
import { readSession, type SessionLocation } from './session-description.js';

/**
 * A session that may be served in any of some directories, such as one for each DPU of the host, all mounted: where its
 * epoch is the highest. A DPU that has died leaves its directory behind, and the session goes on elsewhere under a later
 * epoch. Whoever is on the bus can follow the session there instead.
 */
export function newestOf(directories: readonly string[], token: Uint8Array): () => Promise<SessionLocation> {
  return async () => {
    const found = await Promise.all(
      directories.map(async (directory) => {
        try {
          return { directory, epoch: (await readSession(directory)).epoch };
        } catch (failure) {
          if (failure instanceof AcceleratorError) return undefined;
          throw failure;
        }
      }),
    );
    let newest: { readonly directory: string; readonly epoch: number } | undefined;
    for (const each of found)
      if (each !== undefined && (newest === undefined || each.epoch > newest.epoch)) newest = each;
    if (newest === undefined) throw new AcceleratorError('UNAVAILABLE', 0, 'no DPU serves the session');
    return { directory: newest.directory, token };
  };
}
