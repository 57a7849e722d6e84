import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Action } from './actions.js';
import {
  type FieldName,
  type FieldValue,
  type Match,
  matchText,
  type PortNames,
  UnknownPort,
} from './fields.js';
import { addBucket, addFlow, encodeMessage, MAX_MESSAGE, readFlowUpdates, readGroups } from './messages.js';
import { readFlowStatistics } from './statistics.js';
import { Writer } from './writer.js';

const PORTS = new Map([
  ['pf0vf0', 7],
  ['obt-vxlan', 300],
]);
const ports: PortNames = {
  numberOf: (name) => PORTS.get(name),
  nameOf: (number) => [...PORTS].find(([, own]) => own === number)?.[0],
};

const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: digits, maxLength: digits })
    .map((each) => each.join(''));
const mac = hex(12).map((digits) => (digits.match(/../g) ?? []).join(':'));
const hex64 = hex(16).map((digits) => `0x${digits}`);
const ipv4 = fc.ipV4();
const number = (maximum: number) => fc.integer({ min: 0, max: maximum });

const VALUES: Partial<Record<FieldName, fc.Arbitrary<FieldValue>>> = {
  in_port: fc.constantFrom('pf0vf0', 'obt-vxlan', 'LOCAL', '#9'),
  metadata: hex64,
  tun_id: number(0xffffff),
  xreg0: hex64,
  eth_type: number(0xffff),
  eth_src: mac,
  eth_dst: fc.oneof(mac, fc.constant('01:00:00:00:00:00/01:00:00:00:00:00')),
  vlan_vid: fc.oneof(number(0x1fff), fc.constant('4096/4096')),
  ipv4_src: fc.oneof(
    ipv4,
    fc.tuple(ipv4, number(31)).map(([address, length]) => `${address}/${length}`),
  ),
  ipv6_src: fc.constantFrom('fd00::1', 'fe80::/10', '::'),
  nd_target: fc.constantFrom('fd00::1', 'fd00:9::/64'),
  ct_state: fc.constantFrom('+trk', '-inv+trk', '+est-rel+rpl-inv+trk'),
  ct_nw_src: fc.constantFrom('10.0.0.1', '10.0.0.0/8'),
  ct_ipv6_dst: fc.constantFrom('fd00::1', 'fd00::/64'),
  ct_nw_proto: number(255),
  ct_tp_dst: fc.oneof(number(0xffff), fc.constant('80/65520')),
  ct_mark: fc.oneof(number(0xffffffff), fc.constant('1/3')),
  nd_reserved: number(0xffffffff),
  nd_options_type: number(255),
};
const match: fc.Arbitrary<Match> = fc.record(VALUES as Record<string, fc.Arbitrary<FieldValue>>, {
  requiredKeys: [],
});
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.constantFrom<Action>(
    { output: 'pf0vf0' },
    { output: 'IN_PORT' },
    { move: 'eth_src', into: 'nd_tll' },
    { move: 'xreg3', into: 'eth_src' },
    { move: 'ipv4_dst', into: 'xreg2' },
    { pushVlan: true },
    { popVlan: true },
    { decrementTtl: true },
    { meter: 7 },
    { copyBit: 'xreg5', into: 'xreg4', bit: 63 },
    { note: 'ingress-0192f3c1-web' },
  ),
  fc
    .record(
      {
        zone: number(0xffff),
        commit: fc.constant(true as const),
        force: fc.constant(true as const),
        table: number(253),
        nat: fc.oneof(
          fc.constant({}),
          fc.oneof(ipv4, fc.constantFrom('100::1', 'fd00::9')).map((source) => ({ source })),
        ),
        set: number(0xffffffff).map((ct_mark) => ({ ct_mark })),
      },
      { requiredKeys: ['zone'] },
    )
    .map((ct): Action => ({ ct })),
  number(253).map((resubmit): Action => ({ resubmit })),
  number(0x7fffffff).map((group): Action => ({ group })),
  hex64.map((to): Action => ({ set: 'xreg0', to })),
  mac.map((to): Action => ({ set: 'eth_src', to })),
  ipv4.map((to): Action => ({ set: 'tun_dst', to })),
);
const actions = fc
  .tuple(fc.array(action, { maxLength: 8 }), fc.option(number(253), { nil: undefined }))
  .map(([all, table]): Action[] => (table === undefined ? all : [...all, { goto: table }]));

/** A flow as the switch tells that it has it: what we sent, behind the header of an update. */
function updateOf(body: Buffer, event: number): Buffer {
  const tail = body.subarray(40);
  const writer = new Writer()
    .u16(24 + tail.length)
    .u16(event)
    .u8(body.readUInt8(16))
    .u8(0);
  writer.u16(0).u16(0).u16(body.readUInt16BE(22)).zeros(4).bytes(body.subarray(0, 8)).bytes(tail);
  return writer.done();
}

describe('a flow', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(number(253), number(0xffff), match, actions, (table, priority, fields, does) => {
        const flow = { table, priority, cookie: 0x4f42_0000_1234_5678n, match: fields, actions: does };
        const { body } = addFlow(flow, ports);
        expect(body.length % 8).toBe(0);
        expect(readFlowUpdates(updateOf(body, 1), ports)).toEqual([{ kind: 'put', flow }]);
        expect(readFlowUpdates(updateOf(body, 2), ports)).toEqual([{ kind: 'removed', flow }]);
      }),
    );
  });

  it('has one key, in whatever order its fields are named', () => {
    fc.assert(
      fc.property(match, (fields) => {
        const reversed = Object.fromEntries(Object.entries(fields).reverse());
        expect(matchText(reversed)).toBe(matchText(fields));
      }),
    );
  });

  it('of a port that the switch does not have cannot be written, and names it', () => {
    const flow = { table: 0, priority: 1, cookie: 0n, match: { in_port: 'pf0vf9' }, actions: [] };
    expect(() => addFlow(flow, ports)).toThrow(UnknownPort);
    expect(() => addFlow(flow, ports)).toThrow('the switch has no port pf0vf9');
  });

  it('that was held back is told as such, not as nothing', () => {
    const resumed = new Writer().u16(8).u16(6).zeros(4).done();
    expect(readFlowUpdates(resumed, ports)).toEqual([{ kind: 'resumed' }]);
  });
});

describe('a bucket', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(
        number(0x7fffffff),
        number(1000),
        fc.array(action, { maxLength: 4 }),
        (id, weight, does) => {
          const { body } = addBucket(9, { id, weight, actions: does }, ports);
          // The description of a group has the same buckets behind another header.
          const buckets = body.subarray(16);
          const description = new Writer()
            .u16(16 + buckets.length)
            .u8(0)
            .zeros(1)
            .u32(9);
          description.u16(buckets.length).zeros(6).bytes(buckets);
          expect(readGroups(description.done(), ports)).toEqual([
            { id: 9, type: 'all', buckets: [{ id, weight, actions: does }] },
          ]);
        },
      ),
    );
  });
});

it('what is read is never read beyond its end, whatever it is', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const read of [readFlowUpdates, readGroups, readFlowStatistics]) {
        try {
          read(Buffer.from(bytes), ports);
        } catch (failure) {
          expect(failure).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
        }
      }
    }),
  );
});

it('a message says how long it is', () => {
  const message = encodeMessage({ type: 20, body: Buffer.alloc(3) }, 7);
  expect(message.toString('hex')).toBe('0614000b00000007000000');
  expect(MAX_MESSAGE).toBeLessThan(0xffff);
});
