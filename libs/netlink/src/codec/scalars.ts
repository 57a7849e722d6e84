import {
  formatIp,
  formatLinkAddress,
  type IpInput,
  ipBytes,
  type LinkAddressInput,
  linkAddressLength,
  parseIpv4,
  parseLinkAddress,
} from './address.js';
import type { Source, Writer } from './bytes.js';
import { DecodeError, EncodeError } from './errors.js';

/** How one attribute's payload is written and read. `parent` is the message or nest that holds the attribute. */
export interface AttributeType<Input, Output = Input> {
  write(writer: Writer, id: number, value: Input, parent: object): void;
  read(source: Source, offset: number, length: number, parent: object): Output;
  /** Of types that hold attributes: the same, of which only these are read. */
  reading?(selection: AnySelection): AttributeType<Input, Output>;
  /** Name of the sibling whose value has to be read before. */
  readonly selector?: string;
}

/** Which attributes are read: all of one, or some of what it holds. */
export type AnySelection = { readonly [name: string]: true | AnySelection };

const requireLength = (length: number, needed: number): void => {
  if (length < needed) throw new DecodeError(`needs ${needed} bytes, has ${length}`);
};

function requireInteger(value: unknown, minimum: number, maximum: number): asserts value is number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum) return;
  throw new EncodeError(`must be an integer from ${minimum} to ${maximum}, is ${describe(value)}`);
}

const describe = (value: unknown): string =>
  typeof value === 'bigint' ? `${value}` : (JSON.stringify(value) ?? String(value)).slice(0, 80);

/** Unsigned 8 bits. */
export const u8: AttributeType<number> = {
  write(writer, id, value) {
    requireInteger(value, 0, 0xff);
    const at = writer.attribute(id, 1);
    writer.view.setUint8(at, value);
  },
  read(source, offset, length) {
    requireLength(length, 1);
    return source.view.getUint8(offset);
  },
};

function integer16(littleEndian: boolean): AttributeType<number> {
  return {
    write(writer, id, value) {
      requireInteger(value, 0, 0xffff);
      const at = writer.attribute(id, 2);
      writer.view.setUint16(at, value, littleEndian);
    },
    read(source, offset, length) {
      requireLength(length, 2);
      return source.view.getUint16(offset, littleEndian);
    },
  };
}

function integer32(littleEndian: boolean): AttributeType<number> {
  return {
    write(writer, id, value) {
      requireInteger(value, 0, 0xffffffff);
      const at = writer.attribute(id, 4);
      writer.view.setUint32(at, value, littleEndian);
    },
    read(source, offset, length) {
      requireLength(length, 4);
      return source.view.getUint32(offset, littleEndian);
    },
  };
}

function integer64(littleEndian: boolean): AttributeType<bigint | number, bigint> {
  return {
    write(writer, id, value) {
      const wide = typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
      if (typeof wide !== 'bigint' || wide < 0n || wide >= 1n << 64n) {
        throw new EncodeError(`must be an unsigned 64-bit integer, is ${describe(value)}`);
      }
      const at = writer.attribute(id, 8);
      writer.view.setBigUint64(at, wide, littleEndian);
    },
    read(source, offset, length) {
      requireLength(length, 8);
      return source.view.getBigUint64(offset, littleEndian);
    },
  };
}

/** Unsigned integers in host order (little-endian) and in network order. 64 bits are read as `bigint`. */
export const u16 = integer16(true);
export const be16 = integer16(false);
export const u32 = integer32(true);
export const be32 = integer32(false);
export const u64 = integer64(true);
export const be64 = integer64(false);

function signed32(littleEndian: boolean): AttributeType<number> {
  return {
    write(writer, id, value) {
      requireInteger(value, -0x80000000, 0x7fffffff);
      const at = writer.attribute(id, 4);
      writer.view.setInt32(at, value, littleEndian);
    },
    read(source, offset, length) {
      requireLength(length, 4);
      return source.view.getInt32(offset, littleEndian);
    },
  };
}

/** Signed 32 bits in host order and in network order. */
export const s32 = signed32(true);
export const sbe32 = signed32(false);

/** A byte that is 0 or 1. */
export const bool8: AttributeType<boolean> = {
  write(writer, id, value) {
    if (typeof value !== 'boolean') throw new EncodeError(`must be true or false, is ${describe(value)}`);
    const at = writer.attribute(id, 1);
    writer.view.setUint8(at, value ? 1 : 0);
  },
  read(source, offset, length) {
    requireLength(length, 1);
    return source.view.getUint8(offset) !== 0;
  },
};

/** An attribute without payload: its presence is `true`; `false` writes nothing. */
export const flag: AttributeType<boolean> = {
  write(writer, id, value) {
    if (typeof value !== 'boolean') throw new EncodeError(`must be true or false, is ${describe(value)}`);
    if (value) writer.attribute(id, 0);
  },
  read: () => true,
};

/** UTF-8 text that ends with a NUL on the wire. */
export const string: AttributeType<string> = {
  write(writer, id, value) {
    if (typeof value !== 'string' || value.includes('\0')) {
      throw new EncodeError(`must be text without NUL, is ${describe(value)}`);
    }
    const length = Buffer.byteLength(value) + 1;
    const at = writer.attribute(id, length);
    writer.bytes.write(value, at);
    writer.bytes[at + length - 1] = 0;
  },
  read(source, offset, length) {
    const end = source.bytes.indexOf(0, offset);
    return source.bytes.toString('utf8', offset, end < 0 || end > offset + length ? offset + length : end);
  },
};

/** As many as V8 keeps with the array itself. */
const FEW_BYTES = 64;

/** Bytes as they are. What is read is a copy. */
export const binary: AttributeType<Uint8Array> = {
  write(writer, id, value) {
    if (!(value instanceof Uint8Array)) throw new EncodeError(`must be bytes, is ${describe(value)}`);
    const at = writer.attribute(id, value.length);
    writer.bytes.set(value, at);
  },
  read(source, offset, length) {
    const bytes = new Uint8Array(length);
    // Most are a few bytes: to take them one by one is cheaper than to make a view of them first.
    if (length > FEW_BYTES) bytes.set(source.bytes.subarray(offset, offset + length));
    else for (let index = 0; index < length; index++) bytes[index] = source.bytes[offset + index] as number;
    return bytes;
  },
};

/** An IPv4 or IPv6 address: written from text, a number (IPv4) or bytes; read as text. */
export const ip: AttributeType<IpInput, string> = {
  write(writer, id, value) {
    const number = typeof value === 'string' ? parseIpv4(value) : value;
    if (typeof number === 'number' && number !== -1) {
      requireInteger(number, 0, 0xffffffff);
      const at = writer.attribute(id, 4);
      writer.view.setUint32(at, number, false);
      return;
    }
    const bytes = typeof value === 'string' ? ipBytes(value) : value;
    if (!(bytes instanceof Uint8Array) || (bytes.length !== 4 && bytes.length !== 16)) {
      throw new EncodeError('must be an IP address of 4 or 16 bytes');
    }
    const at = writer.attribute(id, bytes.length);
    writer.bytes.set(bytes, at);
  },
  read: (source, offset, length) => formatIp(source.bytes, offset, length),
};

/** A link-layer address: written from text, a 48-bit number or bytes; read as text. */
export const mac: AttributeType<LinkAddressInput, string> = {
  write(writer, id, value) {
    if (typeof value === 'string') {
      const at = writer.attribute(id, linkAddressLength(value));
      parseLinkAddress(value, writer.bytes, at);
    } else if (typeof value === 'number') {
      requireInteger(value, 0, 0xffff_ffff_ffff);
      const at = writer.attribute(id, 6);
      writer.view.setUint16(at, Math.floor(value / 0x1_0000_0000), false);
      writer.view.setUint32(at + 2, value >>> 0, false);
    } else binary.write(writer, id, value, {});
  },
  read: (source, offset, length) => formatLinkAddress(source.bytes, offset, length),
};
