import { randomBytes } from 'node:crypto';

/** Randomness as a port, so that pure code has none and tests own it. */
export interface Random {
  /** `count` unpredictable bytes. */
  bytes(count: number): Uint8Array;
  /** Uniform in [0, 1). */
  fraction(): number;
}

/** Drawn at once, as a call for a few bytes costs as much as one for thousands. */
const POOL_BYTES = 4096;
let pool: Uint8Array = new Uint8Array();

export const systemRandom: Random = {
  bytes: (count) => {
    if (count > POOL_BYTES) return randomBytes(count);
    if (count > pool.length) pool = randomBytes(POOL_BYTES);
    const drawn = pool.slice(0, count);
    pool = pool.subarray(count);
    return drawn;
  },
  fraction: () => Math.random(),
};

/** A UUID version 7 (RFC 9562 section 5.7): 48 bits of wall-clock milliseconds, then random bits. */
export function uuidv7(now: number, random: Random): string {
  const bytes = Uint8Array.from(random.bytes(16));
  for (let index = 0; index < 6; index++) bytes[index] = Math.floor(now / 2 ** (40 - 8 * index)) % 256;
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
