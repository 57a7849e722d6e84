import { libc, SharedMemory, unixSocket, WOULD_BLOCK } from '@outboard/ffi';
import { FLAG, FRAME, HEADER_BYTES, type Header, headerOf, readHeader, writeHeader } from '../wire/frame.js';
import { encodeMetadata, type Metadata, readMetadata } from '../wire/metadata.js';

/** A frame as a test sees it. */
export interface RawFrame {
  readonly header: Header;
  readonly metadata: Metadata;
  readonly payload: Buffer;
}

export interface RawHello {
  readonly token: Uint8Array;
  readonly epoch: number;
  /** Bytes of shared memory that are asked for; absent: none. */
  readonly sharedBytes?: number;
  readonly rings?: boolean;
  /** To be woken for several completions at once. */
  readonly batches?: boolean;
  readonly version?: number;
}

/** Frames by hand, for tests that send what no client sends. `pump` lets the other side go on. */
export class RawClient implements Disposable {
  #received = Buffer.alloc(0);
  #isAtEnd = false;
  #disposed = false;
  region: SharedMemory | undefined;

  private constructor(
    readonly descriptor: number,
    private readonly pump: () => void,
  ) {}

  static connect(path: string, pump: () => void): RawClient {
    return new RawClient(unixSocket.connect(path), pump);
  }

  /** HELLO, and the answer to it. */
  hello({ token, epoch, sharedBytes, rings = false, batches = false, version = 1 }: RawHello): RawFrame {
    this.send(
      headerOf(FRAME.HELLO, {
        version,
        epoch,
        flags:
          (sharedBytes === undefined ? 0 : FLAG.INPUT_SHARED) |
          (rings ? FLAG.RINGS : 0) |
          (batches ? FLAG.BATCHES : 0),
        inputOffset: sharedBytes ?? 0,
      }),
      [],
      token,
    );
    for (let turns = 0; turns < 10; turns++) this.pump();
    const bytes = Buffer.alloc(HEADER_BYTES);
    const { count, passed } = unixSocket.receiveDescriptor(this.descriptor, bytes);
    if (count !== HEADER_BYTES) throw new Error(`the answer to HELLO has ${count} bytes`);
    const header = readHeader(new DataView(bytes.buffer, bytes.byteOffset), 0);
    if (passed !== undefined) this.region = SharedMemory.map(passed, header.inputOffset);
    return { header, metadata: [], payload: Buffer.alloc(0) };
  }

  /** Sends a frame; lengths are made to fit unless `header` says otherwise already. */
  send(header: Header, metadata: Metadata = [], payload: Uint8Array = new Uint8Array()): void {
    const encoded = encodeMetadata(metadata);
    const frame = Buffer.alloc(HEADER_BYTES + encoded.length + payload.length);
    writeHeader(new DataView(frame.buffer, frame.byteOffset), 0, {
      ...header,
      metadataBytes: encoded.length,
      inlineLength: encoded.length + payload.length,
    });
    frame.set(encoded, HEADER_BYTES);
    frame.set(payload, HEADER_BYTES + encoded.length);
    this.sendBytes(frame);
  }

  sendBytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const count = unixSocket.send(this.descriptor, bytes.subarray(at));
      if (count === WOULD_BLOCK) this.pump();
      else at += count;
    }
  }

  /** The next frame; undefined: the other side has closed. */
  receive(): RawFrame | undefined {
    for (let turns = 0; turns < 100_000; turns++) {
      const frame = this.#take();
      if (frame !== undefined) return frame;
      if (this.#isAtEnd) return undefined;
      this.pump();
      this.#fill();
    }
    throw new Error('no frame came');
  }

  /** The next frame, if one has come. */
  poll(): RawFrame | undefined {
    const known = this.#take();
    if (known !== undefined || this.#isAtEnd) return known;
    this.#fill();
    return this.#take();
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.region?.[Symbol.dispose]();
    libc.close(this.descriptor);
  }

  #take(): RawFrame | undefined {
    const bytes = this.#received;
    if (bytes.length < HEADER_BYTES) return undefined;
    const header = readHeader(new DataView(bytes.buffer, bytes.byteOffset), 0);
    const end = HEADER_BYTES + header.inlineLength;
    if (bytes.length < end) return undefined;
    this.#received = bytes.subarray(end);
    const body = HEADER_BYTES + header.metadataBytes;
    const metadata = readMetadata(bytes.subarray(HEADER_BYTES, body));
    if (metadata === undefined) throw new Error('metadata that cannot be read');
    return { header, metadata, payload: bytes.subarray(body, end) };
  }

  #fill(): void {
    const room = Buffer.alloc(1 << 20);
    let count: number;
    try {
      count = unixSocket.receive(this.descriptor, room);
    } catch {
      count = 0;
    }
    if (count === 0) this.#isAtEnd = true;
    else if (count !== WOULD_BLOCK) this.#received = Buffer.concat([this.#received, room.subarray(0, count)]);
  }
}
