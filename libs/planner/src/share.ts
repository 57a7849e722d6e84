import type { MessageInitShape } from '@bufbuild/protobuf';
import { DataplaneObjectSchema } from '@outboard/contracts';
import { SharedObject } from '@outboard/document-owner/documents';

type ObjectOf<Message> = Message extends { object?: infer Value } ? Value : never;
type NeutralObject = Exclude<ObjectOf<MessageInitShape<typeof DataplaneObjectSchema>>, undefined>;

/** A neutral object of the network, with the resource that it is made from. */
export const share = (
  key: string,
  kind: string,
  { metadata: { tenant, name } }: { metadata: { tenant: string; name: string } },
  object: NeutralObject,
): SharedObject => SharedObject.of(DataplaneObjectSchema, key, { source: { kind, tenant, name }, object });
