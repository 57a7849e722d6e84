import {
  appendFileSync,
  closeSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import * as promises from 'node:fs/promises';

/** What no part uses in a simulation. */
const unsimulated = Object.fromEntries(
  Object.keys(promises).map((name) => [
    name,
    () => {
      throw new Error(`the simulated disk has no ${name}`);
    },
  ]),
);

/** `node:fs/promises` of a disk that answers at once: what is next never depends on how fast a thread is. */
export const simulatedDisk = {
  ...unsimulated,
  appendFile: async (...of: Parameters<typeof appendFileSync>) => appendFileSync(...of),
  mkdir: async (...of: Parameters<typeof mkdirSync>) => mkdirSync(...of),
  open: async (...of: Parameters<typeof openSync>) => handleOf(openSync(...of)),
  readFile: async (...of: Parameters<typeof readFileSync>) => readFileSync(...of),
  rename: async (...of: Parameters<typeof renameSync>) => renameSync(...of),
  rm: async (...of: Parameters<typeof rmSync>) => rmSync(...of),
  stat: async (...of: Parameters<typeof statSync>) => statSync(...of),
};

/** As much of a `FileHandle` as parts use. */
const handleOf = (descriptor: number) => ({
  write: async (bytes: Uint8Array, offset: number, length: number) => ({
    bytesWritten: writeSync(descriptor, bytes, offset, length),
    buffer: bytes,
  }),
  datasync: async () => fdatasyncSync(descriptor),
  sync: async () => fsyncSync(descriptor),
  close: async () => closeSync(descriptor),
});
