import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { DocumentDigest, type DocumentEntry, encodeBinary } from '@outboard/contracts';

/** A neutral object, serialised once and shared by every document that has it. */
export class SharedObject implements DocumentEntry {
  #digest: DocumentDigest | undefined;

  constructor(
    readonly key: string,
    readonly object: Uint8Array,
  ) {}

  /** @param schema of all objects of the document's owner. */
  static of<Schema extends DescMessage>(
    schema: Schema,
    key: string,
    object: MessageInitShape<Schema>,
  ): SharedObject {
    return new SharedObject(key, encodeBinary(schema, create(schema, object)));
  }

  /** The digest of a document that has only this object. Must not be changed. */
  get digest(): DocumentDigest {
    this.#digest ??= DocumentDigest.of([this]);
    return this.#digest;
  }

  equals(other: SharedObject | undefined): boolean {
    return other === this || (other?.key === this.key && Buffer.compare(other.object, this.object) === 0);
  }
}
