import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { encodeBinary, FetchResponseSchema } from '@outboard/contracts';
import fc from 'fast-check';
import { type DocumentPage, DocumentPages } from './document-pages.js';

const MAX_BYTES = 2_000;
const EPOCH = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';

const sizeOf = ({ document, objects, nextPageToken = '' }: DocumentPage): number => {
  const version = { epoch: EPOCH, sequence: BigInt(document.sequence), digest: document.digest };
  const response = create(FetchResponseSchema, { version, objects: [...objects], nextPageToken });
  return encodeBinary(FetchResponseSchema, response).length;
};

const documentOf = (sizes: readonly number[], sequence = Number.MAX_SAFE_INTEGER) => ({
  sequence,
  digest: new Uint8Array(16),
  objects: sizes.map((size, index) => ({ key: `o${index}`, object: new Uint8Array(size) })),
});

describe('pages of a document', () => {
  it('fit into a message, have every object once and in order, and none is empty but that of an empty document', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_600), { maxLength: 60 }), (sizes) => {
        const pages = new DocumentPages(MAX_BYTES, 1);
        const document = documentOf(sizes);
        const found: string[] = [];
        let page: DocumentPage | undefined = pages.first('dpu', document);
        for (;;) {
          expect(page && sizeOf(page)).toBeLessThanOrEqual(MAX_BYTES);
          found.push(...(page?.objects ?? []).map(({ key }) => key));
          if (page?.nextPageToken === undefined) break;
          expect(page.objects.length).toBeGreaterThan(0);
          page = pages.next('dpu', page.nextPageToken);
        }
        expect(found).toEqual(document.objects.map(({ key }) => key));
      }),
    );
  });

  it('are filled: a page ends only when the next object does not fit', () => {
    for (let last = 0; last < 400; last++) {
      const pages = new DocumentPages(MAX_BYTES, 1);
      const page = pages.first('dpu', documentOf([700, 650, last]));
      expect(sizeOf(page)).toBeLessThanOrEqual(MAX_BYTES);
      if (last < 200) expect(page.nextPageToken).toBeUndefined();
    }
  });

  it('of the oldest fetch are given up when too many are under way', () => {
    const pages = new DocumentPages(MAX_BYTES, 2);
    const tokens = ['a', 'b', 'c'].map(
      (dpu) => pages.first(dpu, documentOf([1_500, 1_500])).nextPageToken ?? '',
    );
    const next = ['a', 'b', 'c'].map((dpu, index) => pages.next(dpu, tokens[index] ?? '')?.objects.length);
    expect(next).toEqual([undefined, 1, 1]);
  });

  it('of a fetch that began again are those of the new version', () => {
    const pages = new DocumentPages(MAX_BYTES, 2);
    const old = pages.first('dpu', documentOf([1_500, 1_500], 1)).nextPageToken ?? '';
    const fresh = pages.first('dpu', documentOf([1_500, 1_500], 2)).nextPageToken ?? '';
    expect(pages.next('dpu', old)).toBeUndefined();
    expect(pages.next('dpu', fresh)).toMatchObject({ document: { sequence: 2 }, nextPageToken: undefined });
    expect(pages.next('dpu', fresh)).toBeUndefined();
  });
});
