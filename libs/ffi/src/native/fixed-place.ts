import koffi from 'koffi';

/** Memory that stays where it is as long as somebody holds it. */
export interface FixedPlace {
  readonly bytes: Uint8Array;
  /** For functions that are bound with a number in place of a pointer. */
  readonly address: number;
}

/** Where an array is. It must be outside of the heap that the garbage collector moves things in, as all are that are longer than 64 bytes or views of a buffer, and somebody must hold it. */
export const addressOf = (bytes: ArrayBufferView): number => Number(koffi.address(bytes));

/** Zeros, outside of the heap that the garbage collector moves things in. */
export function fixedPlace(length: number): FixedPlace {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  return { bytes, address: addressOf(bytes) };
}
