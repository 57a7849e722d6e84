import { hash } from 'node:crypto';
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { AppError, err, ok, type Result } from '@outboard/core';

/** Largest internal body, bytes: the default payload limit of nats-server. */
export const MAX_INTERNAL_BYTES = 1024 * 1024;

/** Bytes of a document's digest. */
export const DIGEST_BYTES = 16;

/** An internal (dataplane) message as it travels. */
export const encodeBinary = <Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Uint8Array => toBinary(schema, message);

/** An internal message that arrived. Unknown fields are kept: the sender may be newer. */
export function decodeBinary<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): Result<MessageShape<Desc>, AppError> {
  const refuse = (rule: string, cause?: unknown): Result<never, AppError> =>
    err(new AppError('INVALID_ARGUMENT', `${schema.name}: ${rule}`, { cause }));
  if (bytes.length > MAX_INTERNAL_BYTES) {
    return refuse(`is ${bytes.length} bytes long; must be at most ${MAX_INTERNAL_BYTES}`);
  }
  try {
    return ok(fromBinary(schema, bytes));
  } catch (cause) {
    return refuse('is not a protobuf message of this type', cause);
  }
}

/** Keys of neutral objects: what each is called in a document. The kind is the part before the first `/`. */
export const objectKeys = {
  router: (tenant: string, name: string): string => `router/${tenant}/${name}`,
  bridgeDomain: (networkUid: string): string => `bridgedomain/${networkUid}`,
  tunnelPeer: (networkUid: string, dpu: string): string => `tunnelpeer/${networkUid}/${dpu}`,
  endpoint: (portUid: string): string => `endpoint/${portUid}`,
  remoteEndpoint: (portUid: string): string => `remoteendpoint/${portUid}`,
  route: (routerKey: string, destination: string): string => `route/${routerKey}/${destination}`,
  routerInterface: (networkUid: string): string => `routerinterface/${networkUid}`,
  hostConfiguration: (networkUid: string): string => `hostconfiguration/${networkUid}`,
  egressGateway: (tenant: string, name: string, ipFamily: 'IPV4' | 'IPV6'): string =>
    `egressgateway/${tenant}/${name}${ipFamily === 'IPV6' ? '/ipv6' : ''}`,
  placedRoute: (routerKey: string, destination: string): string => `placedroute/${routerKey}/${destination}`,
  neighbour: (networkUid: string, address: string): string => `neighbour/${networkUid}/${address}`,
  forwardingEntry: (networkUid: string, macAddress: string): string =>
    `forwardingentry/${networkUid}/${macAddress}`,
  interfaceAddress: (networkUid: string, address: string): string =>
    `interfaceaddress/${networkUid}/${address}`,
  ruleSet: (policyUid: string, router: string): string => `ruleset/${policyUid}/${router}`,
  serviceChain: (chainUid: string, router: string): string => `servicechain/${chainUid}/${router}`,
  addressGroup: (tenant: string, router: string, id: string): string =>
    `addressgroup/${tenant}/${router}/${id}`,
  addressGroupMember: (tenant: string, router: string, id: string, address: string): string =>
    `addressgroupmember/${tenant}/${router}/${id}/${address}`,
} as const;

/** An entry of a document: an object, serialised once, under its key. */
export interface DocumentEntry {
  readonly key: string;
  readonly object: Uint8Array;
}

/**
 * The digest of a document: the sum modulo 2^128 of the first 16 bytes, big endian, of
 * SHA-256(uint32 big-endian length of key, key, object) over its entries. The order of entries does not matter and a
 * change costs as much as what changes. It tells loss and mix-ups, not forgery: whoever may publish may choose entries.
 */
export class DocumentDigest {
  /** Most significant first. */
  readonly #limbs = new Uint32Array(4);

  /** The digest that the 16 bytes state; the empty document's when they are absent or empty. */
  static from(bytes: Uint8Array = new Uint8Array()): DocumentDigest {
    const digest = new DocumentDigest();
    if (bytes.length === 0) return digest;
    if (bytes.length !== DIGEST_BYTES) throw new RangeError(`a digest has 16 bytes, not ${bytes.length}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let index = 0; index < 4; index++) digest.#limbs[index] = view.getUint32(4 * index);
    return digest;
  }

  static of(entries: Iterable<DocumentEntry>): DocumentDigest {
    const digest = new DocumentDigest();
    for (const entry of entries) digest.add(entry);
    return digest;
  }

  add(entry: DocumentEntry): void {
    const hashed = hashEntry(entry);
    this.#sum((index) => limbOf(hashed, index));
  }

  /** Takes back an `add` of an equal entry. */
  remove(entry: DocumentEntry): void {
    const hashed = hashEntry(entry);
    this.#subtract((index) => limbOf(hashed, index));
  }

  /** Adds the entries of another digest: what many documents share is hashed once. */
  plus(other: DocumentDigest): void {
    this.#sum((index) => other.#limbs[index] ?? 0);
  }

  /** Takes back a `plus` of an equal digest. */
  minus(other: DocumentDigest): void {
    this.#subtract((index) => other.#limbs[index] ?? 0);
  }

  #sum(limb: (index: number) => number): void {
    let carry = 0;
    for (let index = 3; index >= 0; index--) {
      const sum = (this.#limbs[index] ?? 0) + limb(index) + carry;
      carry = sum > 0xffffffff ? 1 : 0;
      this.#limbs[index] = sum;
    }
  }

  #subtract(limb: (index: number) => number): void {
    let borrow = 0;
    for (let index = 3; index >= 0; index--) {
      const difference = (this.#limbs[index] ?? 0) - limb(index) - borrow;
      borrow = difference < 0 ? 1 : 0;
      this.#limbs[index] = difference;
    }
  }

  /** 16 bytes, big endian; a copy. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(DIGEST_BYTES);
    const view = new DataView(bytes.buffer);
    for (let index = 0; index < 4; index++) view.setUint32(4 * index, this.#limbs[index] ?? 0);
    return bytes;
  }

  equals(bytes: Uint8Array): boolean {
    return Buffer.compare(this.toBytes(), bytes) === 0;
  }
}

/** Reused, as allocating per entry doubles the cost; nothing below yields while it is filled. */
let scratch = Buffer.allocUnsafe(4096);

/** The SHA-256 of an entry, a byte per character: the fastest form in which Node gives a hash. */
function hashEntry({ key, object }: DocumentEntry): string {
  const most = 4 + 3 * key.length + object.length;
  if (scratch.length < most) scratch = Buffer.allocUnsafe(most);
  const keyLength = scratch.write(key, 4);
  scratch.writeUInt32BE(keyLength, 0);
  scratch.set(object, 4 + keyLength);
  return hash('sha256', scratch.subarray(0, 4 + keyLength + object.length), 'binary');
}

const limbOf = (hashed: string, index: number): number =>
  ((hashed.charCodeAt(4 * index) << 24) |
    (hashed.charCodeAt(4 * index + 1) << 16) |
    (hashed.charCodeAt(4 * index + 2) << 8) |
    hashed.charCodeAt(4 * index + 3)) >>>
  0;
