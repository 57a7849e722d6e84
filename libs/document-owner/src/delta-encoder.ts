import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { DeltaSchema, DeltasSchema, encodeBinary, SyncResponseSchema } from '@outboard/contracts';
import type { DocumentObject } from './documents/index.js';

/** A delta without its upserts. */
export type DeltaHead = Omit<MessageInitShape<typeof DeltaSchema>, 'upserts' | '$typeName'>;

/** Bytes of encoded objects that are kept; all are forgotten when there are more. */
const KEPT_BYTES = 8 * 1024 * 1024;

/**
 * Encodes deltas. Encoded messages that follow each other are one message with their lists joined
 * (https://protobuf.dev/programming-guides/encoding/#last-one-wins): so an object that goes to many DPUs is encoded once,
 * for those who are told of it and for those who ask.
 */
export class DeltaEncoder {
  readonly #upserts = new Map<DocumentObject, Uint8Array>();
  #bytes = 0;

  /** A `Delta` as it travels. */
  encode(head: DeltaHead, upserts: readonly DocumentObject[]): Uint8Array {
    return Buffer.concat([encode(head), ...upserts.map((object) => this.#upsert(object))]);
  }

  #upsert(object: DocumentObject): Uint8Array {
    const known = this.#upserts.get(object);
    if (known) return known;
    const encoded = encode({ upserts: [{ key: object.key, object: object.object }] });
    if (this.#bytes + encoded.length > KEPT_BYTES) {
      this.#upserts.clear();
      this.#bytes = 0;
    }
    this.#upserts.set(object, encoded);
    this.#bytes += encoded.length;
    return encoded;
  }
}

/** A `SyncResponse` of deltas as they travel. */
export function encodeDeltasAnswer(deltas: readonly Uint8Array[]): Uint8Array {
  const list = deltas.flatMap((delta) => [fieldHead(DeltasSchema.field.deltas.number, delta.length), delta]);
  const length = list.reduce((sum, each) => sum + each.length, 0);
  return Buffer.concat([fieldHead(SyncResponseSchema.field.deltas.number, length), ...list]);
}

/** What stands before a field of so many bytes (https://protobuf.dev/programming-guides/encoding/#length-types). */
const fieldHead = (number: number, length: number): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(length).finish();

const encode = (delta: MessageInitShape<typeof DeltaSchema>): Uint8Array =>
  encodeBinary(DeltaSchema, create(DeltaSchema, delta));
