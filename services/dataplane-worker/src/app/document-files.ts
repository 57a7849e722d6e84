import { appendFile, readFile, rm, stat } from 'node:fs/promises';
import { isMissing, replaceFile } from '@outboard/service-shell/process';
import { amend } from '../domain/document-change.js';
import { MAX_DOCUMENT_BYTES, MAX_DOCUMENT_OBJECTS } from '../domain/fetched-document.js';
import type { DocumentChange, DocumentState } from '../domain/replica-protocol.js';
import {
  CHECKSUM_LENGTH,
  decodeChanges,
  decodeDocument,
  ENTRY_OVERHEAD,
  encodeChange,
  encodeDocument,
  HEADER_LENGTH_LIMIT,
} from './document-format.js';

const MAX_FILE_BYTES =
  MAX_DOCUMENT_BYTES + MAX_DOCUMENT_OBJECTS * ENTRY_OVERHEAD + HEADER_LENGTH_LIMIT + CHECKSUM_LENGTH;
/** Changes are gathered up to the size of their document, or to this where that is more. */
const CHANGES_BYTES = 256 * 1024;

/**
 * One owner's document on the disk: a file with all of it, as it was at some time, and one with its changes since. What
 * is written for a change is as large as the change; the whole document is written once for as many bytes of changes.
 */
export class DocumentFiles {
  /** The last of what is on the disk; undefined: what is there cannot be continued. */
  #checksum: Uint8Array | undefined;
  #documentBytes = 0;
  #changesBytes = 0;

  constructor(
    readonly document: string,
    readonly changes: string,
    private readonly dpu: string,
    private readonly owner: string,
  ) {}

  /** What is there, and why some of the changes cannot be used, if so. Rejects for a document that is damaged, foreign or missing. */
  async load(): Promise<{ readonly state: DocumentState; readonly unusable: string | undefined }> {
    const document = await readBounded(this.document);
    const { state, checksum } = decodeDocument(document, this.dpu, this.owner);
    this.#documentBytes = document.length;
    const entries = new Map(state.entries);
    let [version, last, end] = [state.version, checksum, 0];
    let unusable: string | undefined;
    // Without its changes a document is what it was before them.
    const changes = await readBounded(this.changes).catch((failure: Error) => {
      if (!isMissing(failure)) unusable = failure.message;
      return Buffer.alloc(0);
    });
    for (const next of decodeChanges(changes, checksum)) {
      amend(entries, next.change);
      version = next.change.version;
      last = next.checksum;
      end = next.end;
    }
    if (end < changes.length)
      unusable = `the last ${changes.length - end} bytes do not follow from what is before them`;
    this.#changesBytes = end;
    this.#checksum = unusable === undefined ? last : undefined;
    return { state: { version, entries }, unusable };
  }

  /** Writes all of it, as it is now. */
  async replace(state: DocumentState): Promise<void> {
    this.#checksum = undefined;
    let bytes = 0;
    let last: Uint8Array = new Uint8Array();
    const chunks = encodeDocument(state, this.dpu, this.owner);
    await replaceFile(
      this.document,
      (function* () {
        for (const chunk of chunks) {
          bytes += chunk.length;
          last = chunk;
          yield chunk;
        }
      })(),
    );
    // Were they left, they would be another document's, and not used.
    await rm(this.changes, { force: true });
    [this.#documentBytes, this.#changesBytes, this.#checksum] = [bytes, 0, last];
  }

  /** Writes what changed since; undefined: it does not lead on from what is there, or there are enough of them. */
  append(changes: readonly DocumentChange[]): Promise<void> | undefined {
    let checksum = this.#checksum;
    if (checksum === undefined) return undefined;
    const parts: Buffer[] = [];
    let bytes = 0;
    for (const change of changes) {
      const encoded = encodeChange(change, checksum);
      checksum = encoded.checksum;
      bytes += encoded.bytes.length;
      parts.push(encoded.bytes);
    }
    if (this.#changesBytes + bytes > Math.max(this.#documentBytes, CHANGES_BYTES)) return undefined;
    return this.#append(Buffer.concat(parts), checksum);
  }

  async #append(bytes: Buffer, checksum: Uint8Array): Promise<void> {
    // A part of them may be there when it fails.
    this.#checksum = undefined;
    await appendFile(this.changes, bytes, { mode: 0o600, flush: true });
    this.#changesBytes += bytes.length;
    this.#checksum = checksum;
  }
}

async function readBounded(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > MAX_FILE_BYTES) throw new Error(`${size} bytes are more than a document can have`);
  return readFile(path);
}
