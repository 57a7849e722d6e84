import { createHash } from 'node:crypto';
import type { DocumentVersion } from '@outboard/dataplane';
import type { DocumentChange, DocumentState } from '../domain/replica-protocol.js';

const FORMAT = 'outboard-document/1';
export const HEADER_LENGTH_LIMIT = 4096;
export const CHECKSUM_LENGTH = 32;
/** Key and object length, uint32 big endian each. */
export const ENTRY_OVERHEAD = 8;
/** The length of a change, uint32 big endian. */
const LENGTH_BYTES = 4;
const CHUNK_BYTES = 256 * 1024;

type Entries = Iterable<readonly [string, Uint8Array]>;

/**
 * A line of JSON {format, dpu, owner, epoch, sequence, digest, objects}; per object its key's and its own length, the
 * key and the object; the SHA-256 of all that, which is also the last of the chunks. The state is copied at once and
 * encoded bit by bit, between other work.
 */
export function encodeDocument(
  { version, entries }: DocumentState,
  dpu: string,
  owner: string,
): Iterable<Buffer> {
  const header = { format: FORMAT, dpu, owner, ...headerOf(version), objects: entries.size };
  return chunksOf(header, [...entries]);
}

function* chunksOf(header: object, entries: Entries): Iterable<Buffer> {
  const checksum = createHash('sha256');
  for (const chunk of body(header, entries)) {
    checksum.update(chunk);
    yield chunk;
  }
  yield checksum.digest();
}

/** What a file says, and its checksum. Throws what is wrong with it. */
export function decodeDocument(
  file: Buffer,
  dpu: string,
  owner: string,
): { readonly state: DocumentState; readonly checksum: Buffer } {
  const end = file.length - CHECKSUM_LENGTH;
  if (end < 0) throw new Error('it is too short');
  const checksum = file.subarray(end);
  if (!createHash('sha256').update(file.subarray(0, end)).digest().equals(checksum)) {
    throw new Error('its checksum does not fit');
  }
  // What follows was written by `encodeDocument`: the checksum vouches for its form.
  const [header, entries] = read(file.subarray(0, end));
  if (header.format !== FORMAT) throw new Error(`its format is ${header.format}, not ${FORMAT}`);
  if (header.dpu !== dpu || header.owner !== owner) {
    throw new Error(`it belongs to ${header.owner} on ${header.dpu}, not to ${owner} on ${dpu}`);
  }
  return { state: { version: versionOf(header), entries }, checksum: Buffer.from(checksum) };
}

/**
 * A change behind a document, or behind the change before it: the length of what it says; a line of JSON {epoch,
 * sequence, digest, deletes}, and its objects as in a document; the SHA-256 of the checksum before it and of what it says.
 * So it is one of that document alone, and none is left out.
 */
export function encodeChange(
  { version, upserts, deletes }: DocumentChange,
  previous: Uint8Array,
): { readonly bytes: Buffer; readonly checksum: Buffer } {
  const said = Buffer.concat([...body({ ...headerOf(version), deletes }, upserts)]);
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32BE(said.length);
  const checksum = chained(previous, said);
  return { bytes: Buffer.concat([length, said, checksum]), checksum };
}

/** The changes that follow a checksum, each with its own; ends before the first that is damaged, cut off or another document's. */
export function* decodeChanges(
  file: Buffer,
  previous: Uint8Array,
): Iterable<{ readonly change: DocumentChange; readonly checksum: Buffer; readonly end: number }> {
  let before = previous;
  for (let offset = 0; offset + LENGTH_BYTES <= file.length; ) {
    const begin = offset + LENGTH_BYTES;
    const end = begin + file.readUInt32BE(offset);
    const said = file.subarray(begin, end);
    const checksum = Buffer.from(file.subarray(end, end + CHECKSUM_LENGTH));
    if (!chained(before, said).equals(checksum)) return;
    const [header, upserts] = read(said);
    offset = end + CHECKSUM_LENGTH;
    before = checksum;
    yield { change: { version: versionOf(header), upserts, deletes: header.deletes }, checksum, end: offset };
  }
}

const chained = (previous: Uint8Array, said: Uint8Array): Buffer =>
  createHash('sha256').update(previous).update(said).digest();

interface Header {
  readonly [field: string]: unknown;
  readonly epoch: string;
  readonly sequence: string;
  readonly digest: string;
  readonly deletes: readonly string[];
}

const headerOf = ({ epoch, sequence, digest }: DocumentVersion) => ({
  epoch,
  sequence: String(sequence),
  digest: Buffer.from(digest).toString('hex'),
});

const versionOf = ({ epoch, sequence, digest }: Header): DocumentVersion => ({
  epoch,
  sequence: BigInt(sequence),
  digest: Uint8Array.from(Buffer.from(digest, 'hex')),
});

/** A line of JSON and the entries, in chunks. */
function* body(header: object, entries: Entries): Iterable<Buffer> {
  let parts: Uint8Array[] = [Buffer.from(`${JSON.stringify(header)}\n`)];
  let bytes = 0;
  for (const [key, object] of entries) {
    const keyBytes = Buffer.from(key);
    const lengths = Buffer.allocUnsafe(ENTRY_OVERHEAD);
    lengths.writeUInt32BE(keyBytes.length, 0);
    lengths.writeUInt32BE(object.length, 4);
    parts.push(lengths, keyBytes, object);
    bytes += ENTRY_OVERHEAD + keyBytes.length + object.length;
    if (bytes >= CHUNK_BYTES) {
      yield Buffer.concat(parts);
      parts = [];
      bytes = 0;
    }
  }
  yield Buffer.concat(parts);
}

function read(said: Buffer): [header: Header, entries: Map<string, Uint8Array>] {
  const headerEnd = said.indexOf('\n');
  const entries = new Map<string, Uint8Array>();
  for (let offset = headerEnd + 1; offset < said.length; ) {
    const keyEnd = offset + ENTRY_OVERHEAD + said.readUInt32BE(offset);
    const objectEnd = keyEnd + said.readUInt32BE(offset + 4);
    // Copied, so that the file's buffer does not live as long as its last object.
    entries.set(
      said.toString('utf8', offset + ENTRY_OVERHEAD, keyEnd),
      Uint8Array.from(said.subarray(keyEnd, objectEnd)),
    );
    offset = objectEnd;
  }
  return [JSON.parse(said.toString('utf8', 0, headerEnd)), entries];
}
