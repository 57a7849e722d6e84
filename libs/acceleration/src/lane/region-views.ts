/** Views that are kept: clients use the same places of their memory again and again. */
const MAXIMUM_VIEWS = 512;
const LENGTHS = 2 ** 21;

/** Views of shared memory by where they are; making one costs as much as a small job. */
export class RegionViews {
  readonly #views = new Map<number, Uint8Array>();

  constructor(private readonly bytes: Uint8Array) {}

  get length(): number {
    return this.bytes.length;
  }

  /** `length` bytes, fewer than 2 MiB, from `offset` on; both must be in the region. */
  view(offset: number, length: number): Uint8Array {
    const key = offset * LENGTHS + length;
    const known = this.#views.get(key);
    if (known !== undefined) return known;
    if (this.#views.size >= MAXIMUM_VIEWS) this.#views.clear();
    const view = this.bytes.subarray(offset, offset + length);
    this.#views.set(key, view);
    return view;
  }
}
