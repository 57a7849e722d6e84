import type { Writer } from './bytes.js';
import { rethrowWithin } from './errors.js';
import type { Layout } from './layout.js';
import type { AnySelection } from './scalars.js';
import {
  type AttributeTable,
  type Compiled,
  compile,
  type MessageInput,
  type MessageOutput,
  narrowed,
  type Selection,
} from './table.js';

/** Flags of nlmsghdr (linux/netlink.h). */
export const NLM_F = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  ECHO: 0x8,
  DUMP_INTR: 0x10,
  REPLACE: 0x100,
  EXCL: 0x200,
  /** Of a removal: everything that matches, where the kernel knows how (neighbours, FDB). */
  BULK: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  DUMP: 0x300,
} as const;

export type ProtocolName = 'route' | 'netfilter';

/** A message that is ready to be encoded. Families make them; `body` belongs to the caller until it is sent. */
export interface Message {
  readonly family: MessageFamily;
  readonly type: number;
  readonly flags: number;
  readonly body: object;
}

/** A message whose answer is one or more values of its family. */
export interface Request<Output> extends Message {
  readonly family: MessageFamily<Output>;
}

/** What sockets know of a family. */
export interface MessageFamily<Output = unknown> {
  readonly name: string;
  readonly protocol: ProtocolName;
  /** nlmsg_type of its `new`, which is also what get and dump answer with, and of its `delete`. */
  readonly newType: number;
  readonly deleteType: number;
  /** Encodes a body: header and attributes. Throws EncodeError. */
  write(writer: Writer, body: object): void;
  /** Decodes a body. Throws DecodeError. */
  readonly read: Compiled<never, Output>['read'];
}

/** A family of messages described as data, and its operations. Each returns a message; nothing is sent. */
export interface Family<Input, Output> extends MessageFamily<Output> {
  /** Creates; EEXIST if it is there. */
  create(body: Input, flags?: number): Request<Output>;
  /** Creates or replaces: idempotent. */
  replace(body: Input, flags?: number): Request<Output>;
  /** Adds one more with the same key, where the kernel keeps lists (routes, VXLAN FDB destinations). */
  append(body: Input, flags?: number): Request<Output>;
  /** Changes what exists; ENODEV or ENOENT if there is none. */
  change(body: Input, flags?: number): Request<Output>;
  remove(body: Input, flags?: number): Request<Output>;
  get(body: Input, flags?: number): Request<Output>;
  /**
   * The same, of whose messages only these attributes are read, and the header: for monitors, and in requests. A link is
   * told with some forty of them, each of which costs its part of an object.
   */
  reading(selection: Selection<Output>): MessageFamily<Output>;
  /** All that match; which fields filter is the kernel's affair (strict checking is on). */
  dump(body?: Input, flags?: number): Request<Output>;
}

/** The value that a family's messages carry when read, and what its operations accept. */
export type OutputOf<F> = F extends MessageFamily<infer Output> ? Output : never;
export type InputOf<F> = F extends { create(body: infer Input): unknown } ? Input : never;

export interface FamilyDescription<Header extends Layout, Table extends AttributeTable> {
  readonly name: string;
  readonly protocol: ProtocolName;
  readonly header: Header;
  readonly attributes: Table;
  /** nlmsg_type of the operations. */
  readonly operations: { readonly new: number; readonly delete: number; readonly get: number };
}

/** Compiles a family: a new one (devlink, nexthop, ...) is one more table. */
export function defineFamily<const Header extends Layout, const Table extends AttributeTable>(
  description: FamilyDescription<Header, Table>,
): Family<MessageInput<Header, Table>, MessageOutput<Header, Table>> {
  type Input = MessageInput<Header, Table>;
  type Output = MessageOutput<Header, Table>;
  const { name, protocol, operations } = description;
  const compiled = compile(description.header, description.attributes);
  const operation =
    (type: number, fixed: number) =>
    (body: Input, flags = 0): Request<Output> => ({
      family,
      type,
      flags: NLM_F.REQUEST | fixed | flags,
      body,
    });
  const dump = operation(operations.get, NLM_F.DUMP);
  const within =
    (read: Compiled<Input, Output>['read']): Compiled<Input, Output>['read'] =>
    (source, offset, end) => {
      try {
        return read(source, offset, end);
      } catch (failure) {
        return rethrowWithin(name, failure);
      }
    };
  const family: Family<Input, Output> = {
    name,
    protocol,
    newType: operations.new,
    deleteType: operations.delete,
    write(writer, body) {
      try {
        compiled.write(writer, body as Input);
      } catch (failure) {
        rethrowWithin(name, failure);
      }
    },
    read: within(compiled.read),
    create: operation(operations.new, NLM_F.CREATE | NLM_F.EXCL),
    replace: operation(operations.new, NLM_F.CREATE | NLM_F.REPLACE),
    append: operation(operations.new, NLM_F.CREATE | NLM_F.APPEND),
    change: operation(operations.new, 0),
    remove: operation(operations.delete, 0),
    get: operation(operations.get, 0),
    reading(selection) {
      const chosen = narrowed(description.attributes, selection as AnySelection);
      const read = compile(description.header, chosen).read as Compiled<Input, Output>['read'];
      return { ...family, read: within(read) };
    },
    dump: (body, flags) => dump(body ?? ({} as Input), flags),
  };
  return family;
}
