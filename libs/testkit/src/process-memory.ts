import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const CHUNK_BYTES = 1 << 20;

/** How often `needle` is in the memory of a process that may be written (proc(5): maps, mem); the caller must be root. */
export const residuesOf = (pid: number, needle: Uint8Array): number => searchMemory(pid, [needle])[0] ?? 0;

/** The same for several, in one look. None may be longer than 1 MiB. */
export function searchMemory(pid: number, needles: readonly Uint8Array[]): readonly number[] {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    const counts = needles.map(() => 0);
    const longest = Math.max(...needles.map(({ length }) => length));
    const chunk = Buffer.alloc(CHUNK_BYTES + longest);
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === undefined || to === undefined) continue;
      const end = Number.parseInt(to, 16);
      for (let at = Number.parseInt(from, 16); at < end; at += CHUNK_BYTES) {
        const length = readable(memory, chunk, Math.min(chunk.length, end - at), at);
        const part = chunk.subarray(0, length);
        for (const [index, needle] of needles.entries()) {
          counts[index] = (counts[index] ?? 0) + countIn(part, Buffer.from(needle));
        }
      }
    }
    return counts;
  } finally {
    closeSync(memory);
  }
}

/** What begins behind the first CHUNK_BYTES belongs to the next chunk. */
function countIn(part: Buffer, needle: Buffer): number {
  let count = 0;
  for (
    let found = part.indexOf(needle);
    found >= 0 && found < CHUNK_BYTES;
    found = part.indexOf(needle, found + 1)
  ) {
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
