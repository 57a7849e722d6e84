import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { DeltaSchema, encodeBinary } from '@outboard/contracts';
import type { DocumentObject } from './documents/index.js';

/** A delta without its upserts. */
export type DeltaHead = Omit<MessageInitShape<typeof DeltaSchema>, 'upserts' | '$typeName'>;

/**
 * Encodes the deltas of one group of changes. Encoded messages that follow each other are one message with their lists
 * joined (https://protobuf.dev/programming-guides/encoding/#last-one-wins): so an object that goes to many DPUs is
 * encoded once.
 */
export class DeltaEncoder {
  readonly #upserts = new Map<DocumentObject, Uint8Array>();

  /** A `Delta` as it travels. */
  encode(head: DeltaHead, upserts: readonly DocumentObject[]): Uint8Array {
    return Buffer.concat([encode(head), ...upserts.map((object) => this.#upsert(object))]);
  }

  #upsert(object: DocumentObject): Uint8Array {
    let encoded = this.#upserts.get(object);
    if (!encoded) {
      encoded = encode({ upserts: [{ key: object.key, object: object.object }] });
      this.#upserts.set(object, encoded);
    }
    return encoded;
  }
}

const encode = (delta: MessageInitShape<typeof DeltaSchema>): Uint8Array =>
  encodeBinary(DeltaSchema, create(DeltaSchema, delta));
