/** Node's own, which a buffer calls too: to make one of a few bytes costs more than the text of them. */
const { latin1Slice, hexSlice } = Buffer.prototype as unknown as Record<
  'latin1Slice' | 'hexSlice',
  (this: Uint8Array, start: number, end: number) => string
>;

/** Two lower-case digits a byte. */
export const hexOf = (bytes: Uint8Array): string => hexSlice.call(bytes, 0, bytes.length);

/** Of ASCII. */
export const textOf = (bytes: Uint8Array, start: number, end: number): string =>
  latin1Slice.call(bytes, start, end);
