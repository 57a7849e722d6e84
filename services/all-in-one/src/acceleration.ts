import { join } from 'node:path';
import { MAX_SOCKET_DIRECTORY } from '@outboard/dataplane-worker';

/** Short, as paths of sockets are: 107 bytes. */
export const socketDirectoryOf = (directory: string, dpu: string): string => join(directory, dpu, 'sockets');

/** Why a DPU in an installation's directory cannot host acceleration on this machine; undefined: it can. */
export async function lackingForAcceleration(directory: string, dpu: string): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'its sockets and shared memory are those of Linux';
  const sockets = socketDirectoryOf(directory, dpu);
  if (sockets.length > MAX_SOCKET_DIRECTORY)
    return `${sockets} is longer than the ${MAX_SOCKET_DIRECTORY} characters that paths of sockets leave to their directory`;
  try {
    await hosting();
  } catch (failure) {
    return `what it calls the system by cannot be loaded: ${failure instanceof Error ? failure.message : String(failure)}`;
  }
  return undefined;
}

/** Loaded where it is asked for: off Linux it cannot be. */
export const hosting = () => import('@outboard/dataplane-worker/acceleration');
