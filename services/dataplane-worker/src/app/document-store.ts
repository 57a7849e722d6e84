import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, invariant } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';
import { isMissing } from '@outboard/service-shell/process';
import { sizeOf } from '../domain/document-change.js';
import type { DocumentChange, DocumentState } from '../domain/replica-protocol.js';
import { DocumentFiles } from './document-files.js';

/** More than this is not written change by change. */
const MAX_CHANGES_BYTES = 1024 * 1024;
const FIRST_DELAY_MILLISECONDS = 200;
/** A write waits this many times as long as the last one took: at most a tenth of the time goes into writing. */
const DELAY_PER_WRITE = 9;
const RETRY_MILLISECONDS = 5_000;

export interface DocumentStoreOptions {
  /** Made when it is missing. */
  readonly directory: string;
  /** A file of another DPU is not taken for this one's. */
  readonly dpu: string;
  /** Owners of what must not be on the disk for longer than in their document, as sealed keys: they are always written whole. */
  readonly withoutChanges?: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** What of an owner's document is not on the disk. */
interface Unwritten {
  readonly state: () => DocumentState;
  /** Undefined: it is to be written as a whole. */
  readonly changes: DocumentChange[] | undefined;
  readonly bytes: number;
}

/**
 * The last complete document of each owner, so that a worker can prune and repair while the bus is away: `OWNER.document`
 * and, after it, `OWNER.changes`. A document is written beside the old one, synced and renamed over it: it is whole, or the
 * one before. A change is whole or not there. Changes within 200 ms are written together; what a crash loses of them is
 * got again by the next sync.
 */
export class DocumentStore {
  readonly #files = new Map<string, DocumentFiles>();
  readonly #pending = new Map<string, Unwritten>();
  readonly #scheduled = new Map<string, Disposable>();
  readonly #writing = new Map<string, Promise<void>>();
  /** What the last write of an owner's document failed with. */
  readonly #failures = new Map<string, string>();
  #lastWriteMilliseconds = 0;
  #closed = false;

  constructor(private readonly options: DocumentStoreOptions) {}

  /** Why a document is not on the disk; undefined: they all are, or were not tried yet. For health checks. */
  get problem(): string | undefined {
    const failures = [...this.#failures].map(
      ([owner, failure]) => `${this.#filesOf(owner).document}: ${failure}`,
    );
    return failures.length === 0 ? undefined : `not written to disk: ${failures.join(', ')}`;
  }

  /** The document on disk. A file that is damaged or foreign is put aside as `<file>.unusable`, and reported. */
  async load(owner: string): Promise<DocumentState | undefined> {
    const { directory, log } = this.options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const files = this.#filesOf(owner);
    try {
      const { state, unusable } = await files.load();
      if (unusable !== undefined)
        log.warn(
          { owner, path: files.changes, reason: unusable },
          'the last changes on disk cannot be used and are left out',
        );
      return state;
    } catch (failure) {
      if (isMissing(failure)) return undefined;
      const path = files.document;
      log.error({ owner, path, err: failure }, 'the document on disk cannot be used and is put aside');
      // The one put aside before is replaced: what is kept is bounded.
      await rename(path, `${path}.unusable`);
      return undefined;
    }
  }

  /** Takes note that the document changed, by `change` if that is all; `state` is asked when it is written as a whole. */
  save(owner: string, state: () => DocumentState, change?: DocumentChange): void {
    const { changes, bytes } = this.#pending.get(owner) ?? { changes: [] as DocumentChange[], bytes: 0 };
    const total = bytes + (change === undefined ? 0 : sizeOf(change));
    const isGathered =
      change !== undefined &&
      total <= MAX_CHANGES_BYTES &&
      this.options.withoutChanges?.includes(owner) !== true;
    if (isGathered) changes?.push(change);
    this.#pending.set(owner, { state, changes: isGathered ? changes : undefined, bytes: total });
    this.#schedule(owner, FIRST_DELAY_MILLISECONDS);
  }

  /** Writes what is not written yet; nothing is taken any more. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const scheduled of this.#scheduled.values()) scheduled[Symbol.dispose]();
    await Promise.all(this.#writing.values());
    await Promise.all([...this.#pending].map(([owner, unwritten]) => this.#write(owner, unwritten)));
  }

  #schedule(owner: string, milliseconds: number): void {
    if (this.#closed || this.#scheduled.has(owner) || this.#writing.has(owner)) return;
    const delay = Math.max(milliseconds, this.#lastWriteMilliseconds * DELAY_PER_WRITE);
    const scheduled = this.options.clock.schedule(delay, () => {
      this.#scheduled.delete(owner);
      this.#writing.set(owner, this.#writePending(owner));
    });
    this.#scheduled.set(owner, scheduled);
  }

  async #writePending(owner: string): Promise<void> {
    const unwritten = this.#pending.get(owner);
    this.#pending.delete(owner);
    invariant(unwritten !== undefined, 'what is scheduled is pending');
    const isWritten = await this.#write(owner, unwritten);
    this.#writing.delete(owner);
    if (!isWritten && !this.#pending.has(owner)) this.#pending.set(owner, unwritten);
    if (this.#pending.has(owner)) {
      this.#schedule(owner, isWritten ? FIRST_DELAY_MILLISECONDS : RETRY_MILLISECONDS);
    }
  }

  /** False when it could not be written. The next time it is then written as a whole. */
  async #write(owner: string, { state, changes }: Unwritten): Promise<boolean> {
    const { clock, log } = this.options;
    const begin = clock.monotonic();
    const files = this.#filesOf(owner);
    const path = files.document;
    try {
      await ((changes && files.append(changes)) ?? files.replace(state()));
      this.#lastWriteMilliseconds = clock.monotonic() - begin;
      if (this.#failures.delete(owner)) log.info({ owner, path }, 'the document is on the disk again');
      return true;
    } catch (failure) {
      // An outage is told once, not at every attempt.
      if (!this.#failures.has(owner))
        log.error({ owner, path, err: failure }, 'the document could not be written to disk');
      this.#failures.set(owner, (failure as Error).message);
      return false;
    }
  }

  #filesOf(owner: string): DocumentFiles {
    let files = this.#files.get(owner);
    if (files === undefined) {
      const path = join(this.options.directory, owner);
      files = new DocumentFiles(`${path}.document`, `${path}.changes`, this.options.dpu, owner);
      this.#files.set(owner, files);
    }
    return files;
  }
}
