/** Words of a small vocabulary in an order that does not repeat: it compresses by about two thirds. */
export function sampleText(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let at = 0; at < length; ) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const word = (state >>> 16) % 512;
    for (let index = 0; index < 3 + (word % 6) && at < length; index++)
      bytes[at++] = 97 + ((word * (index + 7)) % 26);
  }
  return bytes;
}
