import {
  type ClientRingEnds,
  clientRingEnds,
  type Header,
  RingBroken,
  readHeader,
  SLOT_METADATA,
  writeHeader,
} from '@outboard/acceleration';

/** How long after the last completion the ring is still looked at before the worker is asked for a wake-up, milliseconds. */
const SPIN_MILLISECONDS = 0.05;

export interface ClientRingsPorts {
  readonly onCompletion: (header: Header, metadata: Uint8Array) => void;
  readonly onBroken: (reason: string) => void;
  /** Tells the worker that there is something in its ring. */
  readonly wake: () => void;
  readonly isBusy: () => boolean;
}

/** The client's ends of the rings: looked at in every turn of the event loop while completions come, else on being woken. */
export class ClientRings implements Disposable {
  readonly #ends: ClientRingEnds;
  #polling = false;
  #spinUntil = 0;
  #disposed = false;

  constructor(
    region: Uint8Array<ArrayBuffer>,
    private readonly ports: ClientRingsPorts,
  ) {
    this.#ends = clientRingEnds(region);
  }

  /** False: it does not fit in, and must go over the socket. */
  submit(header: Header, metadata: Uint8Array): boolean {
    if (metadata.length > SLOT_METADATA || this.#ends.submissions.isFull) return false;
    writeHeader(this.#ends.submissions.view, 0, header);
    this.#ends.submissions.write(metadata);
    this.#ends.submissions.show();
    if (this.#ends.workerWaits.take()) this.ports.wake();
    this.#poll();
    return true;
  }

  woken(): void {
    this.#poll();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
  }

  #poll(): void {
    if (this.#polling || this.#disposed) return;
    this.#polling = true;
    this.#spinUntil = performance.now() + SPIN_MILLISECONDS;
    setImmediate(() => this.#look());
  }

  #look(): void {
    this.#polling = false;
    if (this.#disposed) return;
    try {
      if (this.#drain() > 0) this.#spinUntil = performance.now() + SPIN_MILLISECONDS;
      if (!this.ports.isBusy() || this.#disposed) return;
      if (performance.now() < this.#spinUntil || this.#mustLookAgain()) {
        this.#polling = true;
        setImmediate(() => this.#look());
      }
    } catch (failure) {
      if (!(failure instanceof RingBroken)) throw failure;
      this.ports.onBroken(failure.message);
    }
  }

  #mustLookAgain(): boolean {
    this.#ends.clientWaits.set();
    return !this.#ends.completions.isEmpty;
  }

  #drain(): number {
    let count = 0;
    while (!this.#disposed && this.#ends.completions.read()) {
      count++;
      const header = readHeader(this.#ends.completions.view, 0);
      const metadata = this.#ends.completions.metadata(Math.min(SLOT_METADATA, header.metadataBytes));
      this.#ends.completions.release();
      this.ports.onCompletion(header, metadata);
    }
    return count;
  }
}
