import type { Source, Writer } from './bytes.js';
import { DecodeError, EncodeError, rethrowWithin } from './errors.js';
import { compileLayout, type Layout, type StructInput, type StructOutput } from './layout.js';
import type { AnySelection, AttributeType } from './scalars.js';

const TYPE_MASK = 0x3fff;
const HEADER_LENGTH = 4;

/** A set of attributes as data: the kernel's (YNL's) name in lowerCamel, its number, its type. */
export type AttributeTable = {
  readonly [name: string]: readonly [id: number, type: AttributeType<never, unknown>];
};

type InputOfType<Type> = Type extends { write(w: Writer, id: number, value: infer Input, p: object): void }
  ? Input
  : never;
type OutputOfType<Type> = Type extends { read(s: Source, o: number, l: number, p: object): infer Output }
  ? Output
  : never;

/** What a table accepts and what it yields. Every attribute is optional: the kernel decides what it needs. */
export type AttributesInput<Table extends AttributeTable> = {
  readonly [Name in keyof Table]?: InputOfType<Table[Name][1]> | undefined;
};
export type AttributesOutput<Table extends AttributeTable> = {
  [Name in keyof Table]?: OutputOfType<Table[Name][1]>;
};

/** The value of a fixed header and the attributes behind it, in one flat object. */
export type MessageInput<Header extends Layout, Table extends AttributeTable> = StructInput<Header> &
  AttributesInput<Table>;
export type MessageOutput<Header extends Layout, Table extends AttributeTable> = StructOutput<Header> &
  AttributesOutput<Table>;

/** Which attributes of a message are read, by name: all of one, or some of what it holds. */
export type Selection<Output> = {
  readonly [Name in keyof Output]?: true | Selection<NonNullable<Output[Name]>>;
};

/** A compiled header and table. */
export interface Compiled<Input, Output> {
  write(writer: Writer, value: Input): void;
  read(source: Source, offset: number, end: number): Output;
}

/** Those of a table that are selected. Names that it does not have are somebody else's. */
export function narrowed(table: AttributeTable, selection: AnySelection): AttributeTable {
  const chosen: Record<string, AttributeTable[string]> = {};
  for (const [name, [id, type]] of Object.entries(table)) {
    const wanted = selection[name];
    if (wanted === undefined) continue;
    if (type.selector !== undefined && selection[type.selector] === undefined)
      throw new Error(`${name} cannot be read without ${type.selector}`);
    chosen[name] = [id, wanted === true ? type : (type.reading?.(wanted) ?? type)];
  }
  return chosen;
}

type FieldWriter = (writer: Writer, start: number, value: unknown, parent: object) => void;
type AttributeReader = (source: Source, offset: number, length: number, parent: object) => unknown;

/**
 * Compiles a header and a table once into closures. Writing walks the keys of the value (a handful) rather than the
 * table (dozens of entries); reading indexes by attribute number and skips numbers that the table does not have.
 */
export function compile<const Header extends Layout, const Table extends AttributeTable>(
  header: Header,
  table: Table,
): Compiled<MessageInput<Header, Table>, MessageOutput<Header, Table>> {
  const { length: headerLength, fields } = compileLayout(header);
  const writers: Record<string, FieldWriter> = Object.create(null);
  const readers: (AttributeReader | undefined)[] = [];
  const names: string[] = [];
  for (const field of fields) {
    writers[field.name] = (writer, start, value) => field.write(writer, start, value);
  }
  for (const [name, [id, type]] of Object.entries(table)) {
    if (writers[name] !== undefined) throw new Error(`${name} is both a header field and an attribute`);
    const untyped = type as AttributeType<unknown, unknown>;
    writers[name] = (writer, _start, value, parent) => untyped.write(writer, id, value, parent);
    readers[id] = (source, offset, length, parent) => untyped.read(source, offset, length, parent);
    names[id] = name;
  }

  function write(writer: Writer, value: object): void {
    const start = writer.space(headerLength);
    let name = '';
    try {
      for (name in value) {
        const own = (value as Record<string, unknown>)[name];
        if (own === undefined) continue;
        const writeOne = writers[name];
        if (writeOne === undefined) throw new EncodeError('is no attribute of this message');
        writeOne(writer, start, own, value);
      }
    } catch (failure) {
      rethrowWithin(name, failure);
    }
  }

  function read(source: Source, offset: number, end: number): object {
    if (end - offset < headerLength) {
      throw new DecodeError(`needs ${headerLength} bytes of header, has ${end - offset}`);
    }
    const value: Record<string, unknown> = {};
    for (const field of fields) value[field.name] = field.read(source, offset);
    const { view } = source;
    let at = offset + ((headerLength + 3) & ~3);
    while (at + HEADER_LENGTH <= end) {
      const length = view.getUint16(at, true);
      if (length < HEADER_LENGTH || at + length > end) {
        throw new DecodeError(`has an attribute of ${length} bytes where ${end - at} are left`);
      }
      const id = view.getUint16(at + 2, true) & TYPE_MASK;
      const readOne = readers[id];
      if (readOne !== undefined) {
        const name = names[id] ?? '';
        try {
          value[name] = readOne(source, at + HEADER_LENGTH, length - HEADER_LENGTH, value);
        } catch (failure) {
          rethrowWithin(name, failure);
        }
      }
      at += (length + 3) & ~3;
    }
    return value;
  }

  return { write, read } as Compiled<MessageInput<Header, Table>, MessageOutput<Header, Table>>;
}

/** An attribute that holds attributes. */
export function nested<const Table extends AttributeTable>(
  table: Table,
): AttributeType<AttributesInput<Table>, AttributesOutput<Table>> {
  return embedded({}, table) as AttributeType<AttributesInput<Table>, AttributesOutput<Table>>;
}

/** An attribute that holds a fixed header and attributes, such as veth's description of the peer. */
export function embedded<const Header extends Layout, const Table extends AttributeTable>(
  header: Header,
  table: Table,
): AttributeType<MessageInput<Header, Table>, MessageOutput<Header, Table>> {
  const compiled = compile(header, table);
  return {
    write(writer, id, value) {
      const start = writer.open(id);
      compiled.write(writer, value);
      writer.close(start);
    },
    read: (source, offset, length) => compiled.read(source, offset, offset + length),
    reading: (selection) =>
      embedded(header, narrowed(table, selection)) as unknown as AttributeType<
        MessageInput<Header, Table>,
        MessageOutput<Header, Table>
      >,
  };
}

/** An attribute that holds a list: each element is an attribute numbered `id`. */
export function list<Input, Output>(
  id: number,
  type: AttributeType<Input, Output>,
): AttributeType<readonly Input[], Output[]> {
  return elements(() => id, type);
}

/** An attribute that holds a list whose elements are attributes numbered from 1. */
export const numbered = <Input, Output>(
  type: AttributeType<Input, Output>,
): AttributeType<readonly Input[], Output[]> => elements((index) => index + 1, type);

function elements<Input, Output>(
  idOf: (index: number) => number,
  type: AttributeType<Input, Output>,
): AttributeType<readonly Input[], Output[]> {
  return {
    write(writer, id, values, parent) {
      const start = writer.open(id);
      let index = 0;
      try {
        for (; index < values.length; index++) {
          type.write(writer, idOf(index), values[index] as Input, parent);
        }
      } catch (failure) {
        rethrowWithin(`[${index}]`, failure);
      }
      writer.close(start);
    },
    read(source, offset, length, parent) {
      const values: Output[] = [];
      const end = offset + length;
      let at = offset;
      while (at + HEADER_LENGTH <= end) {
        const size = source.view.getUint16(at, true);
        if (size < HEADER_LENGTH || at + size > end) {
          throw new DecodeError(`has an element of ${size} bytes where ${end - at} are left`);
        }
        try {
          values.push(type.read(source, at + HEADER_LENGTH, size - HEADER_LENGTH, parent));
        } catch (failure) {
          rethrowWithin(`[${values.length}]`, failure);
        }
        at += (size + 3) & ~3;
      }
      return values;
    },
  };
}

type Tables = { readonly [kind: string]: AttributeType<never, unknown> };
type KeysOfUnion<Union> = Union extends unknown ? keyof Union : never;
type PropertyOfUnion<Union, Name extends PropertyKey> = Union extends unknown
  ? Name extends keyof Union
    ? Union[Name]
    : never
  : never;
/** All properties of all members, each with the types that it has in any of them. */
type Merged<Union> = { [Name in KeysOfUnion<Union>]?: PropertyOfUnion<Union, Name> };

/**
 * An attribute whose type is chosen by a sibling's value (YNL: sub-message with selector). The kind must be known to
 * write; a nest of an unknown kind is read as an empty object.
 */
export function selected<const Kinds extends Tables>(
  selector: string,
  kinds: Kinds,
): AttributeType<
  Readonly<Merged<InputOfType<Kinds[keyof Kinds]>>>,
  Merged<OutputOfType<Kinds[keyof Kinds]>>
> {
  const types = new Map<unknown, AttributeType<unknown, unknown>>(
    Object.entries(kinds) as unknown as [string, AttributeType<unknown, unknown>][],
  );
  const kindIn = (parent: object): unknown => (parent as Record<string, unknown>)[selector];
  return {
    selector,
    reading: (selection) =>
      selected(
        selector,
        Object.fromEntries(
          Object.entries(kinds).map(([kind, type]) => [kind, type.reading?.(selection) ?? type]),
        ) as unknown as Kinds,
      ),
    write(writer, id, value, parent) {
      const type = types.get(kindIn(parent));
      if (type === undefined) {
        throw new EncodeError(`needs ${selector} to be one of ${[...types.keys()].join(', ')}`);
      }
      type.write(writer, id, value, parent);
    },
    read: (source, offset, length, parent) =>
      (types.get(kindIn(parent))?.read(source, offset, length, parent) ?? {}) as Merged<
        OutputOfType<Kinds[keyof Kinds]>
      >,
  };
}
