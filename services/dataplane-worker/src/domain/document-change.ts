import { DocumentDigest } from '@outboard/contracts';
import type { DocumentChange, DocumentState } from './replica-protocol.js';

/** The digest of a document after a change, which is not carried out. */
export function digestAfter({ version, entries }: DocumentState, change: DocumentChange): DocumentDigest {
  const digest = DocumentDigest.from(version.digest);
  const remove = (key: string): void => {
    const object = entries.get(key);
    if (object !== undefined) digest.remove({ key, object });
  };
  for (const key of change.deletes) remove(key);
  for (const [key, object] of change.upserts) {
    remove(key);
    digest.add({ key, object });
  }
  return digest;
}

export function amend(
  entries: Map<string, Uint8Array>,
  { upserts, deletes }: Pick<DocumentChange, 'upserts' | 'deletes'>,
): void {
  for (const key of deletes) entries.delete(key);
  for (const [key, object] of upserts) entries.set(key, object);
}

/** Keys and objects, in bytes or nearly so. */
export function sizeOf({ upserts, deletes }: Pick<DocumentChange, 'upserts' | 'deletes'>): number {
  let bytes = 0;
  for (const [key, object] of upserts) bytes += key.length + object.length;
  for (const key of deletes) bytes += key.length;
  return bytes;
}
