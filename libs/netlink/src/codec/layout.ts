import { formatIp, ipBytes } from './address.js';
import type { Source, Writer } from './bytes.js';
import { DecodeError, EncodeError, rethrowWithin } from './errors.js';
import type { AttributeType } from './scalars.js';

/** What a field of a fixed structure can be. `pad*` fields are zero on the wire and no part of the value. */
export type FieldKind =
  | 'u8'
  | 'u16'
  | 'u32'
  | 's32'
  | 'u64'
  | 'be16'
  | 'be32'
  | 'ip4'
  | `pad${8 | 16 | 24 | 32}`;

/** A C structure: its fields in order. Offsets follow from the widths (the kernel's structures have no holes). */
export type Layout = { readonly [name: string]: FieldKind };

type ValueOf<Kind extends FieldKind> = Kind extends 'u64' ? bigint : Kind extends 'ip4' ? string : number;
type Named<L extends Layout> = {
  [Name in keyof L as L[Name] extends `pad${number}` ? never : Name]: L[Name];
};

/** The value of a structure: every field when read, any of them when written (what is left out is zero). */
export type StructOutput<L extends Layout> = { [Name in keyof Named<L>]: ValueOf<Named<L>[Name]> };
export type StructInput<L extends Layout> = {
  readonly [Name in keyof Named<L>]?: ValueOf<Named<L>[Name]> | undefined;
};

/** One field, ready to be read and written relative to the start of its structure. */
export interface CompiledField {
  readonly name: string;
  write(writer: Writer, start: number, value: unknown): void;
  read(source: Source, start: number): unknown;
}

export interface CompiledLayout {
  readonly length: number;
  readonly fields: readonly CompiledField[];
}

const WIDTHS: Record<FieldKind, number> = {
  u8: 1,
  u16: 2,
  u32: 4,
  s32: 4,
  u64: 8,
  be16: 2,
  be32: 4,
  ip4: 4,
  pad8: 1,
  pad16: 2,
  pad24: 3,
  pad32: 4,
};

function integer(value: unknown, minimum: number, maximum: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum)
    return value;
  throw new EncodeError(`must be an integer from ${minimum} to ${maximum}, is ${String(value)}`);
}

function compileField(name: string, kind: FieldKind, offset: number): CompiledField {
  switch (kind) {
    case 'u8':
      return {
        name,
        write: (writer, start, value) => writer.view.setUint8(start + offset, integer(value, 0, 0xff)),
        read: (source, start) => source.view.getUint8(start + offset),
      };
    case 'u16':
    case 'be16': {
      const little = kind === 'u16';
      return {
        name,
        write: (writer, start, value) =>
          writer.view.setUint16(start + offset, integer(value, 0, 0xffff), little),
        read: (source, start) => source.view.getUint16(start + offset, little),
      };
    }
    case 'u32':
    case 'be32': {
      const little = kind === 'u32';
      return {
        name,
        write: (writer, start, value) =>
          writer.view.setUint32(start + offset, integer(value, 0, 0xffffffff), little),
        read: (source, start) => source.view.getUint32(start + offset, little),
      };
    }
    case 's32':
      return {
        name,
        write: (writer, start, value) =>
          writer.view.setInt32(start + offset, integer(value, -0x80000000, 0x7fffffff), true),
        read: (source, start) => source.view.getInt32(start + offset, true),
      };
    case 'u64':
      return {
        name,
        write(writer, start, value) {
          if (typeof value !== 'bigint' || value < 0n || value >= 1n << 64n) {
            throw new EncodeError(`must be an unsigned 64-bit integer, is ${String(value)}`);
          }
          writer.view.setBigUint64(start + offset, value, true);
        },
        read: (source, start) => source.view.getBigUint64(start + offset, true),
      };
    case 'ip4':
      return {
        name,
        write(writer, start, value) {
          const bytes = typeof value === 'string' ? ipBytes(value) : undefined;
          if (bytes?.length !== 4) throw new EncodeError(`must be an IPv4 address, is ${String(value)}`);
          writer.bytes.set(bytes, start + offset);
        },
        read: (source, start) => formatIp(source.bytes, start + offset, 4),
      };
    default:
      throw new Error(`padding is no field: ${name}`);
  }
}

/** Works out offsets once, so that reading and writing are closures over constants. */
export function compileLayout(layout: Layout): CompiledLayout {
  const fields: CompiledField[] = [];
  let length = 0;
  for (const [name, kind] of Object.entries(layout)) {
    if (!kind.startsWith('pad')) fields.push(compileField(name, kind, length));
    length += WIDTHS[kind];
  }
  return { length, fields };
}

function readStruct(compiled: CompiledLayout, source: Source, start: number): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const field of compiled.fields) value[field.name] = field.read(source, start);
  return value;
}

function writeStruct(compiled: CompiledLayout, writer: Writer, start: number, value: object): void {
  for (const field of compiled.fields) {
    const own = (value as Record<string, unknown>)[field.name];
    if (own === undefined) continue;
    try {
      field.write(writer, start, own);
    } catch (failure) {
      rethrowWithin(field.name, failure);
    }
  }
}

/** An attribute whose payload is a fixed structure. A longer one (a newer kernel's) is read as far as it is known. */
export function struct<const L extends Layout>(layout: L): AttributeType<StructInput<L>, StructOutput<L>> {
  const compiled = compileLayout(layout);
  return {
    write(writer, id, value) {
      const at = writer.attribute(id, compiled.length);
      writer.bytes.fill(0, at, at + compiled.length);
      writeStruct(compiled, writer, at, value);
    },
    read(source, offset, length) {
      if (length < compiled.length) throw new DecodeError(`needs ${compiled.length} bytes, has ${length}`);
      return readStruct(compiled, source, offset) as StructOutput<L>;
    },
  };
}

/** An attribute whose payload is an array of fixed structures. */
export function structs<const L extends Layout>(
  layout: L,
): AttributeType<readonly StructInput<L>[], StructOutput<L>[]> {
  const compiled = compileLayout(layout);
  return {
    write(writer, id, values) {
      const length = values.length * compiled.length;
      const at = writer.attribute(id, length);
      writer.bytes.fill(0, at, at + length);
      values.forEach((value, index) => {
        writeStruct(compiled, writer, at + index * compiled.length, value);
      });
    },
    read(source, offset, length) {
      if (length % compiled.length !== 0) {
        throw new DecodeError(`needs a multiple of ${compiled.length} bytes, has ${length}`);
      }
      const values: StructOutput<L>[] = [];
      for (let at = offset; at < offset + length; at += compiled.length) {
        values.push(readStruct(compiled, source, at) as StructOutput<L>);
      }
      return values;
    },
  };
}
