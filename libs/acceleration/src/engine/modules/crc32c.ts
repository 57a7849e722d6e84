/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;
/** Bytes that one step takes: a table for each (slicing-by-8, Kounavis and Berry 2005). */
const SLICES = 8;

const tables = Array.from({ length: SLICES }, () => new Uint32Array(256));

function tableOf(slice: number): Uint32Array {
  const table = tables[slice];
  if (table === undefined) throw new RangeError('no such slice');
  return table;
}

for (let byte = 0; byte < 256; byte++) {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++)
    remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1;
  tableOf(0)[byte] = remainder;
}
for (let slice = 1; slice < SLICES; slice++) {
  for (let byte = 0; byte < 256; byte++) {
    const previous = tableOf(slice - 1)[byte] ?? 0;
    tableOf(slice)[byte] = (previous >>> 8) ^ (tableOf(0)[previous & 0xff] ?? 0);
  }
}

/** CRC-32C of `input`. */
export function crc32c(input: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  const byte = (index: number): number => input[index] as number;
  const look = (table: Uint32Array, index: number): number => table[index & 0xff] as number;
  let crc = 0xffffffff;
  let at = 0;
  for (const end = input.length - (input.length % SLICES); at < end; at += SLICES) {
    const first = crc ^ (byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24));
    crc =
      look(t7, first) ^
      look(t6, first >>> 8) ^
      look(t5, first >>> 16) ^
      look(t4, first >>> 24) ^
      look(t3, byte(at + 4)) ^
      look(t2, byte(at + 5)) ^
      look(t1, byte(at + 6)) ^
      look(t0, byte(at + 7));
  }
  for (; at < input.length; at++) crc = (crc >>> 8) ^ look(t0, crc ^ byte(at));
  return (crc ^ 0xffffffff) >>> 0;
}

/** A checksum as the four bytes that RFC 3720, B.4 sends: the lowest first. */
export function crc32cBytes(checksum: number, output: Uint8Array): void {
  for (let index = 0; index < 4; index++) output[index] = checksum >>> (8 * index);
}
