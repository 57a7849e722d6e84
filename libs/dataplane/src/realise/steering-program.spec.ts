import { describe, expect, it } from '@jest/globals';
import { ipBytes } from '@outboard/netlink';
import fc from 'fast-check';
import { contains, type Prefix, parsePrefix } from './addresses.js';
import { steeringProgram } from './steering-program.js';

const VLAN_TAG_PRESENT = 0xfffff030;

/** What classic BPF returns for a frame; undefined: a load is beyond it. */
function run(program: string, frame: Buffer, tagged: boolean): number | undefined {
  const code = Buffer.from(program, 'hex');
  let accumulator = 0;
  for (let pc = 0; ; pc++) {
    const at = pc * 8;
    const [op, jt, jf, k] = [code.readUInt16LE(at), code[at + 2], code[at + 3], code.readUInt32LE(at + 4)];
    const jump = (condition: boolean): void => {
      pc += (condition ? jt : jf) ?? 0;
    };
    switch (op) {
      case 0x20:
        if (k === VLAN_TAG_PRESENT) accumulator = tagged ? 1 : 0;
        else if (k + 4 > frame.length) return undefined;
        else accumulator = frame.readUInt32BE(k);
        break;
      case 0x28:
        accumulator = frame.readUInt16BE(k);
        break;
      case 0x30:
        accumulator = frame.readUInt8(k);
        break;
      case 0x80:
        accumulator = frame.length;
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05:
        pc += k;
        break;
      case 0x15:
        jump(accumulator === k);
        break;
      case 0x35:
        jump(accumulator >= k);
        break;
      case 0x45:
        jump((accumulator & k) !== 0);
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`no such instruction: ${op}`);
    }
  }
}

interface Frame {
  readonly source: string;
  readonly destination: string;
  readonly group: boolean;
  readonly icmpv6Type: number | undefined;
  readonly length: number;
}

function bytesOf({ source, destination, group, icmpv6Type, length }: Frame): Buffer {
  const isIpv6 = source.includes(':');
  const header = Buffer.alloc(60);
  header[0] = group ? 0x33 : 0x02;
  header.writeUInt16BE(isIpv6 ? 0x86dd : 0x0800, 12);
  if (icmpv6Type !== undefined) {
    header[20] = 58;
    header[54] = icmpv6Type;
  }
  header.set(ipBytes(source), isIpv6 ? 22 : 26);
  header.set(ipBytes(destination), isIpv6 ? 38 : 30);
  return header.subarray(0, length);
}

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`${text} is no prefix`);
  return parsed;
};
const OWN = ['10.0.0.5', '10.5.0.0/17', 'fd00::5', 'fd05::/62'].map(prefix);
const OTHERS = ['10.0.0.0/8', '192.0.2.1', 'fd00::/16', '2001:db8:0:1::/65'].map(prefix);
const EXCEPTIONS = ['10.9.0.0/16', 'fd00:9::/33'].map(prefix);
const ADDRESSES = ['10.0.0.5', '10.5.127.1', '10.5.128.1', '10.9.1.1', '192.0.2.1', '192.0.2.2'];
const ADDRESSES_6 = [
  'fd00::5',
  'fd05:0:0:3::1',
  'fd05:0:0:4::1',
  'fd00:9::1',
  '2001:db8:0:1:7fff::1',
  '2001:db8:0:1:8000::1',
];

const frames = fc.constantFrom(ADDRESSES, ADDRESSES_6).chain((addresses) =>
  fc.record({
    source: fc.constantFrom(...addresses),
    destination: fc.constantFrom(...addresses),
    group: fc.boolean(),
    icmpv6Type:
      addresses === ADDRESSES_6 ? fc.constantFrom(undefined, 128, 133, 137, 138) : fc.constant(undefined),
    length: fc.constantFrom(60, 60, 60, 54, 34, 20),
  }),
);

const isIn = (prefixes: readonly Prefix[], address: string): boolean =>
  prefixes.some((each) => contains(each, prefix(address)));

describe('the program by which packets are steered', () => {
  it.each(['forward', 'reverse'] as const)('matches what its words say, %s', (direction) => {
    const packets = { own: OWN, others: OTHERS, exceptions: EXCEPTIONS };
    const redirect = steeringProgram(packets, direction, 'redirect');
    const drop = steeringProgram(packets, direction, 'drop');
    fc.assert(
      fc.property(frames, fc.boolean(), (frame, tagged) => {
        const { source, destination, group, icmpv6Type, length } = frame;
        const [near, far] = direction === 'forward' ? [source, destination] : [destination, source];
        const isDiscovery = icmpv6Type !== undefined && icmpv6Type >= 133 && icmpv6Type < 138 && length > 54;
        const matches =
          !tagged &&
          !group &&
          !isDiscovery &&
          length >= (source.includes(':') ? 54 : 34) &&
          isIn(OWN, near) &&
          isIn(OTHERS, far) &&
          !isIn(EXCEPTIONS, far);
        expect(run(redirect, bytesOf(frame), tagged)).toBe(matches ? 0xffffffff : 0);
        expect(run(drop, bytesOf(frame), tagged)).toBe(matches ? 2 : 0xffffffff);
      }),
    );
  });

  it('has room for as many prefixes as a chain and a port have', () => {
    const many = (count: number): Prefix[] =>
      Array.from({ length: count }, (_, index) => prefix(`fd00::${(index + 1).toString(16)}`));
    const packets = { own: many(80), others: many(64), exceptions: many(64) };
    expect(() => steeringProgram(packets, 'forward', 'redirect')).not.toThrow();
  });
});
