import { create } from '@bufbuild/protobuf';
import { DataplaneObjectSchema, DocumentDigest, type DocumentEntry, encodeBinary } from '@outboard/contracts';

/** A neutral object, serialised once and shared by every document that has it. */
export class SharedObject implements DocumentEntry {
  #digest: DocumentDigest | undefined;

  constructor(
    readonly key: string,
    readonly object: Uint8Array,
  ) {}

  /** The digest of a document that has only this object. Must not be changed. */
  get digest(): DocumentDigest {
    this.#digest ??= DocumentDigest.of([this]);
    return this.#digest;
  }

  equals(other: SharedObject | undefined): boolean {
    return other === this || (other?.key === this.key && Buffer.compare(other.object, this.object) === 0);
  }
}

type ObjectOf<Message> = Message extends { object?: infer Value } ? Value : never;
type NeutralObject = Exclude<ObjectOf<Parameters<typeof create<typeof DataplaneObjectSchema>>[1]>, undefined>;

export const share = (
  key: string,
  kind: string,
  { metadata: { tenant, name } }: { metadata: { tenant: string; name: string } },
  object: NeutralObject,
): SharedObject =>
  new SharedObject(
    key,
    encodeBinary(
      DataplaneObjectSchema,
      create(DataplaneObjectSchema, { source: { kind, tenant, name }, object }),
    ),
  );
