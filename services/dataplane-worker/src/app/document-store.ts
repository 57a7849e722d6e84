import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, invariant } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';
import { isMissing, replaceFile } from '@outboard/service-shell/process';
import { MAX_DOCUMENT_BYTES, MAX_DOCUMENT_OBJECTS } from '../domain/fetched-document.js';
import type { DocumentState } from '../domain/replica-protocol.js';

const FORMAT = 'outboard-document/1';
const HEADER_LENGTH_LIMIT = 4096;
const CHECKSUM_LENGTH = 32;
/** Key and object length, uint32 big endian each. */
const ENTRY_OVERHEAD = 8;
const MAX_FILE_BYTES =
  MAX_DOCUMENT_BYTES + MAX_DOCUMENT_OBJECTS * ENTRY_OVERHEAD + HEADER_LENGTH_LIMIT + CHECKSUM_LENGTH;
const WRITE_CHUNK_BYTES = 256 * 1024;

const FIRST_DELAY_MILLISECONDS = 200;
/** A write waits this many times as long as the last one took: at most a tenth of the time goes into writing. */
const DELAY_PER_WRITE = 9;
const RETRY_MILLISECONDS = 5_000;

export interface DocumentStoreOptions {
  /** Made when it is missing. */
  readonly directory: string;
  /** A file of another DPU is not taken for this one's. */
  readonly dpu: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The last complete document of each owner, one file each, so that a worker can prune and repair while the bus is
 * away. A file is written beside the old one, synced and renamed over it: it is whole, or the one before. Changes
 * within 200 ms are written together; what a crash loses of them is got again by the next sync.
 */
export class DocumentStore {
  readonly #pending = new Map<string, () => DocumentState>();
  readonly #scheduled = new Map<string, Disposable>();
  readonly #writing = new Map<string, Promise<void>>();
  /** What the last write of an owner's document failed with. */
  readonly #failures = new Map<string, string>();
  #lastWriteMilliseconds = 0;
  #closed = false;

  constructor(private readonly options: DocumentStoreOptions) {}

  /** Why a document is not on the disk; undefined: they all are, or were not tried yet. For health checks. */
  get problem(): string | undefined {
    const failures = [...this.#failures].map(([owner, failure]) => `${this.#path(owner)}: ${failure}`);
    return failures.length === 0 ? undefined : `not written to disk: ${failures.join(', ')}`;
  }

  /** The document on disk. A file that is damaged or foreign is put aside as `<file>.unusable`, and reported. */
  async load(owner: string): Promise<DocumentState | undefined> {
    await mkdir(this.options.directory, { recursive: true, mode: 0o700 });
    const path = this.#path(owner);
    try {
      const { size } = await stat(path);
      if (size > MAX_FILE_BYTES) throw new Error(`${size} bytes are more than a document can have`);
      return decode(await readFile(path), this.options.dpu, owner);
    } catch (failure) {
      if (isMissing(failure)) return undefined;
      this.options.log.error(
        { owner, path, err: failure },
        'the document on disk cannot be used and is put aside',
      );
      // The one put aside before is replaced: what is kept is bounded.
      await rename(path, `${path}.unusable`);
      return undefined;
    }
  }

  /** Takes note that the document changed; `state` is asked when it is written. */
  save(owner: string, state: () => DocumentState): void {
    this.#pending.set(owner, state);
    this.#schedule(owner, FIRST_DELAY_MILLISECONDS);
  }

  /** Writes what is not written yet; nothing is taken any more. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const scheduled of this.#scheduled.values()) scheduled[Symbol.dispose]();
    await Promise.all(this.#writing.values());
    await Promise.all([...this.#pending].map(([owner, state]) => this.#write(owner, state)));
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
    const state = this.#pending.get(owner);
    this.#pending.delete(owner);
    invariant(state !== undefined, 'what is scheduled is pending');
    const isWritten = await this.#write(owner, state);
    this.#writing.delete(owner);
    if (!isWritten && !this.#pending.has(owner)) this.#pending.set(owner, state);
    if (this.#pending.has(owner)) {
      this.#schedule(owner, isWritten ? FIRST_DELAY_MILLISECONDS : RETRY_MILLISECONDS);
    }
  }

  /** False when it could not be written. */
  async #write(owner: string, state: () => DocumentState): Promise<boolean> {
    const { clock, dpu, log } = this.options;
    const begin = clock.monotonic();
    const path = this.#path(owner);
    try {
      await replaceFile(path, encode(state(), dpu, owner));
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

  #path(owner: string): string {
    return join(this.options.directory, `${owner}.document`);
  }
}

/**
 * A line of JSON {format, dpu, owner, epoch, sequence, digest, objects}; per object its key's and its own length, the
 * key and the object; the SHA-256 of all that. The state is copied at once and encoded bit by bit, between other work.
 */
function encode({ version, entries }: DocumentState, dpu: string, owner: string): Iterable<Uint8Array> {
  const header = {
    format: FORMAT,
    dpu,
    owner,
    epoch: version.epoch,
    sequence: String(version.sequence),
    digest: Buffer.from(version.digest).toString('hex'),
    objects: entries.size,
  };
  return chunksOf(`${JSON.stringify(header)}\n`, [...entries]);
}

function* chunksOf(
  header: string,
  entries: readonly (readonly [string, Uint8Array])[],
): Iterable<Uint8Array> {
  const checksum = createHash('sha256');
  let parts: Uint8Array[] = [Buffer.from(header)];
  let bytes = 0;
  const take = (): Uint8Array => {
    const chunk = Buffer.concat(parts);
    checksum.update(chunk);
    parts = [];
    bytes = 0;
    return chunk;
  };
  for (const [key, object] of entries) {
    const keyBytes = Buffer.from(key);
    const lengths = Buffer.allocUnsafe(ENTRY_OVERHEAD);
    lengths.writeUInt32BE(keyBytes.length, 0);
    lengths.writeUInt32BE(object.length, 4);
    parts.push(lengths, keyBytes, object);
    bytes += ENTRY_OVERHEAD + keyBytes.length + object.length;
    if (bytes >= WRITE_CHUNK_BYTES) yield take();
  }
  yield take();
  yield checksum.digest();
}

function decode(file: Buffer, dpu: string, owner: string): DocumentState {
  const end = file.length - CHECKSUM_LENGTH;
  if (end < 0) throw new Error('it is too short');
  const body = file.subarray(0, end);
  if (!createHash('sha256').update(body).digest().equals(file.subarray(end))) {
    throw new Error('its checksum does not fit');
  }
  // What follows was written by `encode`: the checksum vouches for its form.
  const headerEnd = body.indexOf('\n');
  const header = JSON.parse(body.toString('utf8', 0, headerEnd));
  if (header.format !== FORMAT) throw new Error(`its format is ${header.format}, not ${FORMAT}`);
  if (header.dpu !== dpu || header.owner !== owner) {
    throw new Error(`it belongs to ${header.owner} on ${header.dpu}, not to ${owner} on ${dpu}`);
  }
  const entries = new Map<string, Uint8Array>();
  for (let offset = headerEnd + 1; offset < end; ) {
    const keyEnd = offset + ENTRY_OVERHEAD + body.readUInt32BE(offset);
    const objectEnd = keyEnd + body.readUInt32BE(offset + 4);
    // Copied, so that the file's buffer does not live as long as its last object.
    entries.set(
      body.toString('utf8', offset + ENTRY_OVERHEAD, keyEnd),
      Uint8Array.from(body.subarray(keyEnd, objectEnd)),
    );
    offset = objectEnd;
  }
  const digest = Uint8Array.from(Buffer.from(header.digest, 'hex'));
  return { version: { epoch: header.epoch, sequence: BigInt(header.sequence), digest }, entries };
}
