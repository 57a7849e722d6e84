import { DocumentDigest } from '@outboard/contracts';
import type { DocumentVersion } from '@outboard/dataplane';
import { isSameVersion, type Page } from './replica-protocol.js';

/** A document that is larger is not taken over: the worker has to fit a DPU. */
export const MAX_DOCUMENT_OBJECTS = 500_000;
export const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** A document that is being put together from the pages of one version. */
export class FetchedDocument {
  readonly entries = new Map<string, Uint8Array>();
  /** Times that the page which comes next was asked for in vain. */
  failures = 0;
  #digest = new DocumentDigest();
  #bytes = 0;
  #pageToken = '';

  constructor(readonly version: DocumentVersion) {}

  /** Token of the page that comes next; empty: all are there. */
  get pageToken(): string {
    return this.#pageToken;
  }

  /** Adds the page that comes next, or says why the whole has to be fetched anew. */
  add(page: Page): string | undefined {
    if (!isSameVersion(page.version, this.version)) return 'a page belongs to another version';
    if (page.objects.length === 0 && page.nextPageToken !== '') return 'a page before the last one is empty';
    for (const entry of page.objects) {
      const { key, object } = entry;
      if (this.entries.has(key)) return `${JSON.stringify(key)} came twice`;
      this.#bytes += key.length + object.length;
      if (this.entries.size >= MAX_DOCUMENT_OBJECTS || this.#bytes > MAX_DOCUMENT_BYTES) {
        return `the document is larger than ${MAX_DOCUMENT_OBJECTS} objects or ${MAX_DOCUMENT_BYTES} bytes`;
      }
      this.entries.set(key, object);
      this.#digest.add(entry);
    }
    this.failures = 0;
    this.#pageToken = page.nextPageToken;
    if (page.nextPageToken === '' && !this.#digest.equals(this.version.digest)) {
      return 'the pages do not have the digest of their version';
    }
    return undefined;
  }
}
