import { HEADER_BYTES, type Header, readHeader } from '@outboard/acceleration';

export type OnFrame = (header: Header, metadata: Uint8Array, payload: Uint8Array) => void;

/** Frames of a stream that comes in pieces. Payload is copied only when it came in more than one. */
export class FrameReader {
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(private readonly onFrame: OnFrame) {}

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length < this.#wanted()) return;
    let bytes = this.#joined();
    while (bytes.length >= HEADER_BYTES) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const header = readHeader(view, 0);
      const end = HEADER_BYTES + header.inlineLength;
      if (bytes.length < end) break;
      const body = HEADER_BYTES + header.metadataBytes;
      this.onFrame(header, bytes.subarray(HEADER_BYTES, body), bytes.subarray(body, end));
      bytes = bytes.subarray(end);
    }
    this.#pieces = bytes.length === 0 ? [] : [bytes];
    this.#length = bytes.length;
  }

  /** What must be there before it is worth looking: pieces of a long frame are joined once. */
  #wanted(): number {
    const [first] = this.#pieces;
    if (first === undefined || first.length < 4) return HEADER_BYTES;
    return HEADER_BYTES + new DataView(first.buffer, first.byteOffset).getUint32(0, true);
  }

  #joined(): Uint8Array {
    const [first] = this.#pieces;
    return this.#pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.#pieces);
  }
}
