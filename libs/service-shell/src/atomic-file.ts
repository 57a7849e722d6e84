import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces a file by what the chunks say, as a whole or not at all: written beside it, synced, renamed over it, and the
 * directory synced, which fsync(2) asks for separately. Rejects with the system's error; the old file is then still there.
 */
export async function replaceFile(path: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    for (const chunk of chunks) await writeAll(file, chunk);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) {
    offset += (await file.write(chunk, offset, chunk.length - offset)).bytesWritten;
  }
}

/** True for the error of a file that is not there. */
export const isMissing = (failure: unknown): boolean =>
  (failure as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
