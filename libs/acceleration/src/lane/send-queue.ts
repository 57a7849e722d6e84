import { addressOf } from '@outboard/ffi';

const CHUNK_BYTES = 256 * 1024;

interface Piece {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;
  sent: number;
  used: number;
}

/** From `at` on, to the end of `bytes`; `address` is where these begin. */
export interface Room {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;
  readonly at: number;
}

const newPiece = (length: number): Piece => {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer), address: addressOf(bytes), sent: 0, used: 0 };
};

/** Frames on their way to a socket: made in place, many sent by one call. */
export class SendQueue {
  #pieces: Piece[] = [newPiece(CHUNK_BYTES)];
  #pending = 0;

  /** Bytes that were committed and not sent. */
  get pending(): number {
    return this.#pending;
  }

  /** Room for a frame of at most `length` bytes, until the next call. */
  reserve(length: number): Room {
    let piece = this.#pieces.at(-1);
    if (piece === undefined || piece.bytes.length - piece.used < length) {
      piece = newPiece(Math.max(length, CHUNK_BYTES));
      this.#pieces.push(piece);
    }
    return { bytes: piece.bytes, view: piece.view, address: piece.address, at: piece.used };
  }

  /** The first `length` bytes of what was reserved last are frames. */
  commit(length: number): void {
    const piece = this.#pieces.at(-1);
    if (piece === undefined) return;
    piece.used += length;
    this.#pending += length;
  }

  /** Hands on what there is; `send` answers with the bytes that it took, or -1. True: all is sent. */
  flush(send: (bytes: Uint8Array) => number): boolean {
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      while (piece.sent < piece.used) {
        const taken = send(piece.bytes.subarray(piece.sent, piece.used));
        if (taken < 0) return false;
        piece.sent += taken;
        this.#pending -= taken;
      }
      if (this.#pieces.length === 1) {
        piece.sent = 0;
        piece.used = 0;
        return true;
      }
      this.#pieces.shift();
    }
    return true;
  }
}
