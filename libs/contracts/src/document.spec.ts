import { createHash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  DataplaneObjectSchema,
  DeltaSchema,
  DocumentDigest,
  type DocumentEntry,
  decodeBinary,
  encodeBinary,
  FetchResponseSchema,
  MAX_INTERNAL_BYTES,
  ObservedReportSchema,
  objectKeys,
  SyncResponseSchema,
} from './index.js';

const entry = fc.record({ key: fc.string({ unit: 'grapheme' }), object: fc.uint8Array() });
const entries = fc.array(entry, { maxLength: 20 });

/** The rule of document.proto, spelled with arbitrary precision. */
function reference(document: readonly DocumentEntry[]): bigint {
  let sum = 0n;
  for (const { key, object } of document) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(key));
    const hashed = createHash('sha256').update(length).update(key).update(object).digest('hex');
    sum = (sum + BigInt(`0x${hashed.slice(0, 32)}`)) % 2n ** 128n;
  }
  return sum;
}

const asNumber = (digest: DocumentDigest): bigint =>
  BigInt(`0x${Buffer.from(digest.toBytes()).toString('hex')}`);

describe('the digest of a document', () => {
  it('is the documented sum', () => {
    fc.assert(
      fc.property(entries, (document) => {
        expect(asNumber(DocumentDigest.of(document))).toBe(reference(document));
      }),
    );
  });

  it('of two routes is this value, for implementers in other languages', () => {
    const document = [
      { key: 'route/router/acme/default/10.0.0.0/24', object: Uint8Array.of(1, 2, 3) },
      { key: 'route/router/acme/default/10.0.1.0/24', object: Uint8Array.of() },
    ];
    const hex = Buffer.from(DocumentDigest.of(document).toBytes()).toString('hex');
    expect(hex).toBe(reference(document).toString(16).padStart(32, '0'));
    expect(hex).toBe('8f96525ddcf66e9b5a908a3de80cc639');
  });

  it('does not depend on the order of entries', () => {
    fc.assert(
      fc.property(
        entries.chain((document) =>
          fc.tuple(fc.constant(document), fc.shuffledSubarray(document, { minLength: document.length })),
        ),
        ([document, shuffled]) => {
          expect(DocumentDigest.of(shuffled).toBytes()).toEqual(DocumentDigest.of(document).toBytes());
        },
      ),
    );
  });

  it('after a change is the digest of the changed document', () => {
    fc.assert(
      fc.property(entries, entries, entries, (kept, removed, added) => {
        const digest = DocumentDigest.from(DocumentDigest.of([...kept, ...removed]).toBytes());
        for (const item of added) digest.add(item);
        for (const item of removed) digest.remove(item);
        expect(digest.equals(DocumentDigest.of([...kept, ...added]).toBytes())).toBe(true);
      }),
    );
  });

  it('differs when a byte moves from the key to the object', () => {
    const left = DocumentDigest.of([{ key: 'ab', object: Buffer.from('c') }]);
    const right = DocumentDigest.of([{ key: 'a', object: Buffer.from('bc') }]);
    expect(left.equals(right.toBytes())).toBe(false);
  });

  it('is the sum of the digests of its parts', () => {
    fc.assert(
      fc.property(entries, entries, (left, right) => {
        const sum = DocumentDigest.of(left);
        sum.plus(DocumentDigest.of(right));
        expect(asNumber(sum)).toBe(reference([...left, ...right]));
        sum.minus(DocumentDigest.of(left));
        expect(asNumber(sum)).toBe(reference(right));
      }),
    );
  });

  it('of nothing is zero, and bytes that are no digest are a bug', () => {
    expect(DocumentDigest.of([]).toBytes()).toEqual(new Uint8Array(16));
    expect(DocumentDigest.from().toBytes()).toEqual(new Uint8Array(16));
    expect(() => DocumentDigest.from(new Uint8Array(15))).toThrow(RangeError);
    expect(DocumentDigest.of([]).equals(new Uint8Array(15))).toBe(false);
  });

  it('takes an entry larger than any before', () => {
    const large = { key: 'k'.repeat(10_000), object: new Uint8Array(100_000) };
    expect(asNumber(DocumentDigest.of([large]))).toBe(reference([large]));
  });
});

describe('dataplane messages', () => {
  const key = objectKeys.endpoint('0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11');
  const object = encodeBinary(
    DataplaneObjectSchema,
    create(DataplaneObjectSchema, {
      source: { kind: 'Port', tenant: 'acme', name: 'web-0' },
      object: { case: 'endpoint', value: { portUid: '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11', adminUp: true } },
    }),
  );
  const version = {
    epoch: 'e',
    sequence: 2n ** 64n - 1n,
    digest: DocumentDigest.of([{ key, object }]).toBytes(),
  };

  it('come back as they were, objects byte by byte', () => {
    const delta = create(DeltaSchema, {
      base: 7n,
      version,
      upserts: [{ key, object }],
      deletes: ['router/acme/blue'],
    });
    expect(decodeBinary(DeltaSchema, encodeBinary(DeltaSchema, delta))).toEqual({ ok: true, value: delta });
    const answer = create(SyncResponseSchema, { answer: { case: 'deltas', value: { deltas: [delta] } } });
    const decoded = decodeBinary(SyncResponseSchema, encodeBinary(SyncResponseSchema, answer));
    expect(decoded).toEqual({ ok: true, value: answer });
  });

  it('keep fields that a newer sender knows', () => {
    // Field 2000, varint 1.
    const newer = Uint8Array.of(
      ...encodeBinary(FetchResponseSchema, create(FetchResponseSchema, { version })),
      0x80,
      0x7d,
      1,
    );
    const decoded = decodeBinary(FetchResponseSchema, newer);
    if (!decoded.ok) throw decoded.error;
    expect(toBinary(FetchResponseSchema, decoded.value)).toEqual(newer);
  });

  it('are refused, not thrown, when they are damaged or too large', () => {
    expect(decodeBinary(DeltaSchema, Uint8Array.of(0x0a, 0xff))).toMatchObject({
      ok: false,
      error: { code: 'INVALID_ARGUMENT', message: 'Delta: is not a protobuf message of this type' },
    });
    expect(decodeBinary(DeltaSchema, new Uint8Array(MAX_INTERNAL_BYTES + 1)).ok).toBe(false);
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom(DeltaSchema, ObservedReportSchema), (bytes, schema) => {
        expect(typeof decodeBinary(schema, bytes).ok).toBe('boolean');
      }),
      { numRuns: 500 },
    );
  });
});
