import { type FieldName, type FieldValue, fieldBits, fieldNumber } from '../../driver-ovs/openflow/fields.js';

/** Which registers a field consists of, the most significant first: registers have 64 bits, `reg4` is half of one. */
const REGISTERS: Readonly<Partial<Record<string, readonly number[]>>> = {
  xreg0: [0],
  xreg1: [1],
  xreg2: [2],
  xreg3: [3],
  xreg4: [4],
  xreg5: [5],
  xreg6: [6],
  xreg7: [7],
  xxreg2: [4, 5],
};
const REGISTER_BITS = 64n;
const REGISTER_MASK = (1n << REGISTER_BITS) - 1n;

/** What a frame carries besides what switches look at. */
export interface Payload {
  /** Tells the frames of one probe, and the answers to it, from those of others. */
  readonly probe: number;
  readonly isAnswer?: true;
  /** Of TCP. Undefined: neither opens a connection nor agrees to one. */
  readonly segment?: 'SYN' | 'SYN-ACK';
}

/** The headers of a frame by the names of ovs-fields(7), as flows write them or as numbers. */
export type Headers = { readonly [Name in FieldName]?: FieldValue | bigint };

/** A frame in a switch: fields as numbers, those that it does not have are 0, as a switch sees them. */
export class Packet {
  readonly #fields: Map<FieldName, bigint>;
  readonly #registers: bigint[];

  private constructor(
    /** The port by which it came, or as if. */
    public inPort: string,
    readonly payload: Payload,
    fields: Map<FieldName, bigint>,
    registers: bigint[],
  ) {
    this.#fields = fields;
    this.#registers = registers;
  }

  static of(inPort: string, headers: Headers, payload: Payload): Packet {
    const fields = Object.entries(headers) as [FieldName, FieldValue | bigint][];
    return new Packet(
      inPort,
      payload,
      new Map(fields.map(([name, value]) => [name, numberOf(name, value)])),
      noRegisters(),
    );
  }

  get(name: FieldName): bigint {
    if (name === 'reg4') return this.#register(2) >> 32n;
    const parts = REGISTERS[name];
    if (parts === undefined) return this.#fields.get(name) ?? 0n;
    return parts.reduce((value, part) => (value << REGISTER_BITS) | this.#register(part), 0n);
  }

  set(name: FieldName, value: bigint, mask = allBits(name)): void {
    const whole = (this.get(name) & ~mask) | (value & mask);
    if (name === 'reg4') {
      this.#registers[2] = (whole << 32n) | (this.#register(2) & 0xffffffffn);
      return;
    }
    const parts = REGISTERS[name];
    if (parts === undefined) {
      this.#fields.set(name, whole);
      return;
    }
    let rest = whole;
    for (const part of [...parts].reverse()) {
      this.#registers[part] = rest & REGISTER_MASK;
      rest >>= REGISTER_BITS;
    }
  }

  clone(): Packet {
    return new Packet(this.inPort, this.payload, new Map(this.#fields), [...this.#registers]);
  }

  /** As it arrives elsewhere: what the switch noted of it is forgotten, but for what its tunnel says (`tunnel`). */
  at(inPort: string, tunnel: Readonly<Partial<Record<FieldName, bigint>>> = {}): Packet {
    const fields = new Map([...this.#fields].filter(([name]) => !NOTES.has(name)));
    for (const [name, value] of Object.entries(tunnel)) fields.set(name as FieldName, value);
    return new Packet(inPort, this.payload, fields, noRegisters());
  }

  /** What is in the frame itself. */
  headers(): Headers {
    return Object.fromEntries([...this.#fields].filter(([name]) => !NOTES.has(name)));
  }

  #register(part: number): bigint {
    return this.#registers[part] ?? 0n;
  }
}

/** A value as flows write it, as a number. */
export const numberOf = (name: FieldName, value: FieldValue | bigint): bigint =>
  typeof value === 'bigint' ? value : fieldNumber(name, value).value;

const noRegisters = (): bigint[] => Array.from({ length: 8 }, () => 0n);
const allBits = (name: FieldName): bigint => (1n << BigInt(fieldBits(name))) - 1n;

/** What is no part of a frame. */
const NOTES: ReadonlySet<string> = new Set([
  'metadata',
  'tun_id',
  'tun_src',
  'tun_dst',
  'tun_ipv6_src',
  'tun_ipv6_dst',
  'ct_state',
  'ct_zone',
  'ct_mark',
  'ct_nw_proto',
  'ct_nw_src',
  'ct_nw_dst',
  'ct_ipv6_src',
  'ct_ipv6_dst',
  'ct_tp_src',
  'ct_tp_dst',
]);
