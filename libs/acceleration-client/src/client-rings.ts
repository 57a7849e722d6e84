import {
  type Header,
  REGION,
  RingBroken,
  RingReader,
  RingWriter,
  readHeader,
  SLOT_METADATA,
  WaitFlag,
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
  readonly #submissions: RingWriter;
  readonly #completions: RingReader;
  readonly #workerWaits: WaitFlag;
  readonly #clientWaits: WaitFlag;
  #polling = false;
  #spinUntil = 0;
  #disposed = false;

  constructor(
    region: Uint8Array<ArrayBuffer>,
    private readonly ports: ClientRingsPorts,
  ) {
    this.#submissions = new RingWriter(
      region,
      REGION.submissionTail,
      REGION.submissionHead,
      REGION.submissions,
    );
    this.#completions = new RingReader(
      region,
      REGION.completionHead,
      REGION.completionTail,
      REGION.completions,
    );
    this.#workerWaits = new WaitFlag(region, REGION.workerWaits);
    this.#clientWaits = new WaitFlag(region, REGION.clientWaits);
  }

  /** False: it does not fit in, and must go over the socket. */
  submit(header: Header, metadata: Uint8Array): boolean {
    if (metadata.length > SLOT_METADATA || this.#submissions.isFull) return false;
    this.#submissions.setMetadata(metadata);
    writeHeader(this.#submissions.view, 0, header);
    this.#submissions.write(metadata.length);
    if (this.#workerWaits.take()) this.ports.wake();
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
    this.#clientWaits.set();
    return !this.#completions.isEmpty;
  }

  #drain(): number {
    let count = 0;
    while (!this.#disposed && this.#completions.read()) {
      count++;
      const header = readHeader(this.#completions.view, 0);
      const metadata = this.#completions.metadata(Math.min(SLOT_METADATA, header.metadataBytes));
      this.#completions.release();
      this.ports.onCompletion(header, metadata);
    }
    return count;
  }
}
