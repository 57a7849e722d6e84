import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { SourceSchema } from '@outboard/contracts';
import type { Source } from '../document.js';

const SOURCE_FIELD = 1;
const REMEMBERED = 4096;

/**
 * Reads who wants a serialised DataplaneObject, and nothing else of it: that has to be known as soon as a document
 * arrives, while parsing all of a large one would hold up the event loop. Equal sources are mostly the same object.
 */
export class SourceReader {
  /** Of bytes that name no source or are none. */
  readonly nowhere: Source = { kind: '', tenant: '', name: '' };
  readonly #known = new Map<string, Source>();
  /** The last: neighbours in a document often have one source, which then stands in the same bytes at the start. */
  #last: { readonly start: Uint8Array; readonly source: Source } | undefined;

  read(bytes: Uint8Array): Source {
    const last = this.#last;
    if (last !== undefined && startsWith(bytes, last.start)) return last.source;
    try {
      const reader = new BinaryReader(bytes);
      while (reader.pos < reader.len) {
        const start = reader.pos;
        const [field, wireType] = reader.tag();
        if (field === SOURCE_FIELD && wireType === WireType.LengthDelimited) {
          const source = this.#source(reader.bytes());
          if (start === 0) this.#last = { start: bytes.slice(0, reader.pos), source };
          return source;
        }
        reader.skip(wireType, field);
      }
    } catch {
      // What is wrong with the bytes is told when they are parsed.
    }
    return this.nowhere;
  }

  #source(bytes: Uint8Array): Source {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const { kind, tenant, name } = fromBinary(SourceSchema, bytes);
    const source = { kind, tenant, name };
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(text, source);
    return source;
  }
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  if (bytes.length < start.length) return false;
  for (let index = start.length - 1; index >= 0; index--) if (bytes[index] !== start[index]) return false;
  return true;
}
