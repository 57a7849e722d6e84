/**
 * What a step of a job needs or gives besides data. An entry is u8 tag, u8 step (from 0), u16 length, the value, and zeros
 * up to the next eighth byte.
 */
export const TAG = {
  /** Up to the next eighth byte nothing: entries of this tag have no value. */
  PADDING: 0,
  /** Of an AEAD, 12 bytes. Given by whoever encrypts; needed to decrypt. */
  NONCE: 1,
  /** Of an AEAD, 16 bytes. */
  AUTHENTICATION_TAG: 2,
  /** Of an AEAD: authenticated, not encrypted. */
  ADDITIONAL_DATA: 3,
  /** Digest, authentication code or checksum. */
  DIGEST: 4,
  /** u32: of the key that was used, or is to be used to decrypt or verify; absent: the active one. */
  KEY_VERSION: 5,
} as const;

/** Longest additional data of one step, bytes. */
export const MAXIMUM_ADDITIONAL_DATA = 1024;
/** Most steps of a program. */
export const MAXIMUM_STEPS = 4;

/** What a job says of one step, or a completion tells of it: by the tags above. */
export interface StepMetadata {
  nonce?: Uint8Array;
  tag?: Uint8Array;
  additional?: Uint8Array;
  digest?: Uint8Array;
  keyVersion?: number;
}

/** Of each step that says something; the others are holes. */
export type Metadata = readonly (StepMetadata | undefined)[];

const NONE: Metadata = [];

/** Bytes that an entry with such a value takes. */
export const entryBytes = (length: number): number => (4 + length + 7) & ~7;

/**
 * Reads `bytes` (a multiple of 8); undefined when it breaks the format. Values are views of `bytes`: whoever keeps them
 * keeps it.
 */
export function readMetadata(bytes: Uint8Array): Metadata | undefined {
  if (bytes.length === 0) return NONE;
  const steps: (StepMetadata | undefined)[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    const step = bytes[at + 1] ?? 0;
    const length = (bytes[at + 2] ?? 0) | ((bytes[at + 3] ?? 0) << 8);
    const end = at + entryBytes(length);
    if (step >= MAXIMUM_STEPS || end > bytes.length) return undefined;
    const value = bytes.subarray(at + 4, at + 4 + length);
    const known = steps[step] ?? {};
    steps[step] = known;
    switch (tag) {
      case TAG.PADDING:
        if (length !== 0) return undefined;
        break;
      case TAG.NONCE:
        if (length !== 12 || known.nonce !== undefined) return undefined;
        known.nonce = value;
        break;
      case TAG.AUTHENTICATION_TAG:
        if (length !== 16 || known.tag !== undefined) return undefined;
        known.tag = value;
        break;
      case TAG.ADDITIONAL_DATA:
        if (length > MAXIMUM_ADDITIONAL_DATA || known.additional !== undefined) return undefined;
        known.additional = value;
        break;
      case TAG.DIGEST:
        if (length > 64 || known.digest !== undefined) return undefined;
        known.digest = value;
        break;
      case TAG.KEY_VERSION:
        if (length !== 4 || known.keyVersion !== undefined) return undefined;
        known.keyVersion = new DataView(value.buffer, value.byteOffset).getUint32(0, true);
        break;
      default:
        return undefined;
    }
    at = end;
  }
  return steps;
}

/** Writes entries into `bytes` from its beginning. */
export class MetadataWriter {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  /** Room for a value, which the caller fills. */
  entry(tag: number, step: number, length: number): Uint8Array {
    const { bytes } = this;
    const at = this.#at;
    this.#at += entryBytes(length);
    if (this.#at > bytes.length) throw new RangeError('metadata is longer than its room');
    bytes[at] = tag;
    bytes[at + 1] = step;
    bytes[at + 2] = length;
    bytes[at + 3] = length >> 8;
    bytes.fill(0, at + 4 + length, this.#at);
    return bytes.subarray(at + 4, at + 4 + length);
  }

  /** Room for the version of a key, which the function fills. */
  keyVersion(step: number): (version: number) => void {
    const value = this.entry(TAG.KEY_VERSION, step, 4);
    const view = new DataView(value.buffer, value.byteOffset);
    return (version) => view.setUint32(0, version, true);
  }

  get length(): number {
    return this.#at;
  }
}

/** The metadata of a job as bytes. */
export function encodeMetadata(metadata: Metadata): Uint8Array {
  const bytes = new Uint8Array(metadata.reduce((sum, step) => sum + stepBytes(step), 0));
  const writer = new MetadataWriter(bytes);
  metadata.forEach((step, index) => {
    if (step === undefined) return;
    const { nonce, tag, additional, digest, keyVersion } = step;
    if (nonce) writer.entry(TAG.NONCE, index, nonce.length).set(nonce);
    if (tag) writer.entry(TAG.AUTHENTICATION_TAG, index, tag.length).set(tag);
    if (additional) writer.entry(TAG.ADDITIONAL_DATA, index, additional.length).set(additional);
    if (digest) writer.entry(TAG.DIGEST, index, digest.length).set(digest);
    if (keyVersion !== undefined) writer.keyVersion(index)(keyVersion);
  });
  return bytes;
}

function stepBytes(step: StepMetadata | undefined): number {
  if (step === undefined) return 0;
  const values = [step.nonce, step.tag, step.additional, step.digest];
  const bytes = values.reduce((sum, value) => sum + (value ? entryBytes(value.length) : 0), 0);
  return bytes + (step.keyVersion === undefined ? 0 : entryBytes(4));
}
