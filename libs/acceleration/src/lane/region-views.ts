/** Offsets of which views are kept: clients use the same places of their memory again and again. */
const MAXIMUM_VIEWS = 512;
/** Offsets that are no multiple of it get a view of their own each time. */
const ALIGNMENT = 64;

/** Views of shared memory by where they are; making one costs as much as a small job. */
export class RegionViews {
  readonly #views = new Map<number, Uint8Array>();

  constructor(private readonly bytes: Uint8Array) {}

  get length(): number {
    return this.bytes.length;
  }

  /** `length` bytes from `offset` on; both must be in the region. */
  view(offset: number, length: number): Uint8Array {
    // A small integer for every offset there is: such keys are found without being boxed.
    const place = (offset / ALIGNMENT) | 0;
    const known = this.#views.get(place);
    if (known !== undefined && known.length === length && place * ALIGNMENT === offset) return known;
    const view = this.bytes.subarray(offset, offset + length);
    if (place * ALIGNMENT !== offset) return view;
    if (this.#views.size >= MAXIMUM_VIEWS) this.#views.clear();
    this.#views.set(place, view);
    return view;
  }
}
