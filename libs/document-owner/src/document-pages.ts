import type { CompiledDocument, DocumentObject } from './documents/index.js';

/** One page of a document, as it is sent. */
export interface DocumentPage {
  readonly document: Pick<CompiledDocument, 'sequence' | 'digest'>;
  readonly objects: readonly DocumentObject[];
  /** Undefined on the last page. */
  readonly nextPageToken: string | undefined;
}

/** Bytes that the framing of one object takes at most, besides its key and its bytes. */
const OBJECT_OVERHEAD = 16;
/** Bytes of a page that are not objects: the version and the token. */
const PAGE_OVERHEAD = 256;

/**
 * Cuts documents into pages and keeps each until its last page was asked for, so that all pages of a fetch belong to
 * one version. A worker that starts again replaces its own; at most `maxDocuments` are kept, the oldest goes first.
 */
export class DocumentPages {
  readonly #documents = new Map<string, CompiledDocument>();

  constructor(
    private readonly maxPageBytes: number,
    private readonly maxDocuments: number,
  ) {}

  /** The first page of a freshly compiled document. */
  first(dpu: string, document: CompiledDocument): DocumentPage {
    this.#documents.delete(dpu);
    this.#documents.set(dpu, document);
    const [oldest] = this.#documents.keys();
    if (this.#documents.size > this.maxDocuments && oldest !== undefined) this.#documents.delete(oldest);
    return this.#page(dpu, document, 0);
  }

  /** A further page; undefined when the token is not of the document that is kept: the fetch must start again. */
  next(dpu: string, pageToken: string): DocumentPage | undefined {
    const document = this.#documents.get(dpu);
    const [sequence, start] = pageToken.split(':').map(Number);
    if (!document || sequence !== document.sequence) return undefined;
    if (start === undefined || !Number.isInteger(start) || start < 1 || start >= document.objects.length) {
      return undefined;
    }
    return this.#page(dpu, document, start);
  }

  #page(dpu: string, document: CompiledDocument, start: number): DocumentPage {
    let end = start;
    let bytes = 0;
    while (end < document.objects.length) {
      const { key, object } = document.objects[end] as DocumentObject;
      bytes += key.length + object.length + OBJECT_OVERHEAD;
      if (bytes > this.maxPageBytes - PAGE_OVERHEAD && end > start) break;
      end++;
    }
    const isLast = end === document.objects.length;
    if (isLast) this.#documents.delete(dpu);
    return {
      document,
      objects: document.objects.slice(start, end),
      nextPageToken: isLast ? undefined : `${document.sequence}:${end}`,
    };
  }
}
