import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const CHUNK_BYTES = 1 << 20;

/** How often `needle` is in the memory of a process that may be written (proc(5): maps, mem); the caller must be root. */
export function residuesOf(pid: number, needle: Uint8Array): number {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    return readFileSync(`/proc/${pid}/maps`, 'utf8')
      .split('\n')
      .map((line) => /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line))
      .reduce((sum, range) => sum + (range ? countIn(memory, range, Buffer.from(needle)) : 0), 0);
  } finally {
    closeSync(memory);
  }
}

function countIn(memory: number, [, from = '0', to = '0']: RegExpExecArray, needle: Buffer): number {
  const end = Number.parseInt(to, 16);
  const chunk = Buffer.alloc(CHUNK_BYTES + needle.length);
  let count = 0;
  for (let at = Number.parseInt(from, 16); at < end; at += CHUNK_BYTES) {
    const length = readable(memory, chunk, Math.min(chunk.length, end - at), at);
    const part = chunk.subarray(0, length);
    for (
      let found = part.indexOf(needle);
      found >= 0 && found < CHUNK_BYTES;
      found = part.indexOf(needle, found + 1)
    )
      count++;
  }
  return count;
}

/** 0: the kernel does not show this part. */
function readable(memory: number, chunk: Buffer, length: number, position: number): number {
  try {
    return readSync(memory, chunk, 0, length, position);
  } catch {
    return 0;
  }
}
