import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { appendMessage, NLMSG, readAcknowledgement, visitMessages } from '../channel.js';
import {
  address,
  FAMILIES,
  type Family,
  filter,
  filterInfo,
  link,
  neighbour,
  nexthop,
  nftSetElement,
  qdisc,
  redirectAll,
  route,
  rule,
  tokenBucket,
} from '../index.js';
import { sourceOf, Writer } from './bytes.js';
import { DecodeError, EncodeError } from './errors.js';
import type { MessageFamily } from './family.js';

const families: MessageFamily[] = Object.values(FAMILIES);

/** Encodes the body and decodes it again, with a writer so small that it has to grow. */
function roundTrip<Input extends object, Output>(family: Family<Input, Output>, body: Input): Output {
  const writer = new Writer(4);
  appendMessage(writer, family.create(body), 7);
  expect(writer.length % 4).toBe(0);
  const values: Output[] = [];
  visitMessages(sourceOf(writer.bytes), writer.length, (type, _flags, sequence, source, offset, end) => {
    expect([type, sequence]).toEqual([family.newType, 7]);
    values.push(family.read(source, offset, end));
  });
  return values[0] as Output;
}

const byte = fc.integer({ min: 0, max: 0xff });
const half = fc.integer({ min: 0, max: 0xffff });
const word = fc.integer({ min: 0, max: 0xffffffff });
const index = fc.integer({ min: 1, max: 0x7fffffff });
const name = fc.stringMatching(/^[a-z][a-z0-9._-]{0,14}$/);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const hexByte = fc.integer({ min: 0, max: 255 }).map((value) => value.toString(16).padStart(2, '0'));
const macText = fc.array(hexByte, { minLength: 6, maxLength: 6 }).map((parts) => parts.join(':'));
const ipv4Text = fc.array(byte, { minLength: 4, maxLength: 4 }).map((parts) => parts.join('.'));
const ipv6Text = fc
  .array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.map((group) => group.toString(16)).join(':'));
const ipText = fc.oneof(ipv4Text, ipv6Text);
const partly = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { requiredKeys: [] });

const linkBody = partly({
  ifiIndex: index,
  ifiFlags: word,
  ifiChange: word,
  ifname: name,
  ifalias: fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
    .filter((text) => !text.includes('\0')),
  mtu: word,
  master: word,
  group: word,
  address: macText,
  carrier: fc.boolean(),
  physSwitchId: fc.uint8Array({ maxLength: 32 }),
  linkNetnsid: fc.integer({ min: -1, max: 1000 }),
  linkinfo: fc.oneof(
    fc.record({
      kind: fc.constant('vxlan' as const),
      data: partly({ id: word, local: ipText, port: half, ttl: byte, learning: fc.boolean() }),
    }),
    fc.record({
      slaveKind: fc.constant('bridge' as const),
      slaveData: partly({ neighSuppress: fc.boolean(), mode: fc.boolean(), isolated: fc.boolean() }),
    }),
    fc.record({
      kind: fc.constant('veth' as const),
      data: fc.record({ peer: partly({ ifname: name, ifiIndex: index, address: macText, netNsFd: word }) }),
    }),
  ),
});

const routeBody = partly({
  rtmFamily: byte,
  rtmDstLen: byte,
  rtmTable: byte,
  rtmProtocol: byte,
  rtmScope: byte,
  rtmType: byte,
  rtmFlags: word,
  dst: ipText,
  gateway: ipText,
  oif: word,
  table: word,
  priority: word,
  nhId: word,
  metrics: partly({ mtu: word, advmss: word }),
  multipath: fc.array(fc.record({ rtnhFlags: byte, rtnhHops: byte, rtnhIfindex: index, gateway: ipText }), {
    maxLength: 20,
  }),
});

/** These properties, as far as there are any. */
const picked = <Value extends object>(value: Value, ...names: (keyof Value)[]): Partial<Value> =>
  Object.fromEntries(
    Object.entries(value).filter(([name]) => names.includes(name as keyof Value)),
  ) as Partial<Value>;

describe('what is encoded decodes to the same', () => {
  it('links, with bridges, VXLAN devices and veth peers in them', () => {
    fc.assert(fc.property(linkBody, (body) => expect(roundTrip(link, body)).toMatchObject(body)));
  });

  it('what is selected of links, and no more', () => {
    const some = link.reading({
      ifname: true,
      carrier: true,
      linkinfo: {
        kind: true,
        data: { id: true, port: true },
        slaveKind: true,
        slaveData: { isolated: true },
      },
    });
    fc.assert(
      fc.property(linkBody, (body) => {
        const writer = new Writer(4);
        link.write(writer, body);
        const source = sourceOf(writer.bytes);
        const { linkinfo, ...all } = link.read(source, 0, writer.length);
        const header = { ifiFamily: 0, ifiType: 0, ifiIndex: 0, ifiFlags: 0, ifiChange: 0 };
        const { data, slaveData } = linkinfo ?? {};
        expect(some.read(source, 0, writer.length)).toEqual({
          ...picked(all, ...(Object.keys(header) as (keyof typeof header)[]), 'ifname', 'carrier'),
          ...(linkinfo && {
            linkinfo: {
              ...picked(linkinfo, 'kind', 'slaveKind'),
              ...(data && { data: picked(data, 'id', 'port') }),
              ...(slaveData && { slaveData: picked(slaveData, 'isolated') }),
            },
          }),
        });
      }),
    );
  });

  it('what is selected by a sibling only with that sibling', () => {
    expect(() => link.reading({ linkinfo: { data: true } })).toThrow('data cannot be read without kind');
  });

  it('routes, with metrics and several hops', () => {
    fc.assert(fc.property(routeBody, (body) => expect(roundTrip(route, body)).toMatchObject(body)));
  });

  it('neighbours and forwarding entries', () => {
    const body = partly({
      ndmFamily: byte,
      ndmIfindex: index,
      ndmState: half,
      ndmFlags: byte,
      lladdr: macText,
      dst: ipText,
      vni: word,
      port: half,
      protocol: byte,
      vlan: half,
    });
    fc.assert(fc.property(body, (value) => expect(roundTrip(neighbour, value)).toMatchObject(value)));
  });

  it('addresses, rules and nexthop groups', () => {
    const ofAddress = partly({
      ifaFamily: byte,
      ifaPrefixlen: byte,
      ifaIndex: word,
      local: ipText,
      flags: word,
    });
    fc.assert(fc.property(ofAddress, (value) => expect(roundTrip(address, value)).toMatchObject(value)));
    const ofRule = partly({
      family: byte,
      iifname: name,
      fwmark: word,
      table: word,
      tunId: fc.bigInt(0n, 2n ** 64n - 1n),
    });
    fc.assert(fc.property(ofRule, (value) => expect(roundTrip(rule, value)).toMatchObject(value)));
    const ofNexthop = partly({
      id: word,
      fdb: fc.constant(true),
      group: fc.array(fc.record({ id: word, weight: byte })),
    });
    fc.assert(fc.property(ofNexthop, (value) => expect(roundTrip(nexthop, value)).toMatchObject(value)));
  });

  it('elements of sets and maps, with ranges and verdicts', () => {
    const data = fc.oneof(
      fc.record({ value: fc.uint8Array({ minLength: 1, maxLength: 64 }) }),
      fc.record({ verdict: fc.record({ code: word, chain: name }) }),
    );
    const element = fc.record(
      { key: fc.record({ value: bytes(8) }), keyEnd: fc.record({ value: bytes(8) }), data, flags: word },
      { requiredKeys: ['key'] },
    );
    const body = fc.record({ table: name, set: name, elements: fc.array(element, { maxLength: 50 }) });
    fc.assert(fc.property(body, (value) => expect(roundTrip(nftSetElement, value)).toMatchObject(value)));
  });

  it('a redirecting filter and a token bucket', () => {
    const written = { ifindex: 3, kind: 'u32', info: filterInfo(1, 0x0003), options: redirectAll(9) };
    expect(roundTrip(filter, written)).toMatchObject({
      info: 0x00010300,
      options: {
        sel: { flags: 1, nkeys: 1, keys: [{ mask: 0, val: 0 }] },
        act: [{ kind: 'mirred', options: { parms: { action: 4, eaction: 1, ifindex: 9 } } }],
      },
    });
    const fast = roundTrip(qdisc, { kind: 'tbf', options: tokenBucket(12_500_000_000, 65_536, 655_360) });
    expect(fast.options).toMatchObject({
      parms: { rate: 0xffffffff, limit: 655_360 },
      rate64: 12_500_000_000n,
    });
  });
});

describe('addresses as numbers and bytes', () => {
  it('mean the same as text', () => {
    const asText = roundTrip(neighbour, { dst: '10.1.2.3', lladdr: '02:00:5e:00:10:05' });
    expect(roundTrip(neighbour, { dst: 0x0a010203, lladdr: 0x02005e001005 })).toEqual(asText);
    const dst = Uint8Array.of(10, 1, 2, 3);
    expect(roundTrip(neighbour, { dst, lladdr: Uint8Array.of(2, 0, 0x5e, 0, 0x10, 5) })).toEqual(asText);
    expect(roundTrip(neighbour, { dst: 0xffffffff }).dst).toBe('255.255.255.255');
  });
});

describe('what cannot be encoded', () => {
  const refused: [string, () => unknown][] = [
    ['link.mtu: must be an integer from 0 to 4294967295, is -1', () => roundTrip(link, { mtu: -1 })],
    ['link.mtu: must be an integer from 0 to 4294967295, is 1.5', () => roundTrip(link, { mtu: 1.5 })],
    ['link.ifiIndex: must be an integer', () => roundTrip(link, { ifiIndex: Number.NaN })],
    ['link.ifname: must be text without NUL', () => roundTrip(link, { ifname: 'a\0b' })],
    ['link.address: must be a link-layer address', () => roundTrip(link, { address: '02:00:5e:00:10:0g' })],
    ['link.address: must be a link-layer address', () => roundTrip(link, { address: '02-00-5e-00-10-05' })],
    ['route.gateway: must be an IPv4 or IPv6 address', () => roundTrip(route, { gateway: 'gw' })],
    [
      'route.gateway: must be an IP address of 4 or 16',
      () => roundTrip(route, { gateway: new Uint8Array(5) }),
    ],
    [
      'link.linkinfo.data: needs kind to be one of bridge, vxlan',
      () => roundTrip(link, { linkinfo: { kind: 'wormhole', data: { id: 1 } } }),
    ],
    [
      'route.multipath.[1].gateway: must be an IPv4',
      () => roundTrip(route, { multipath: [{ gateway: '10.0.0.1' }, { gateway: '10.0.0' }] }),
    ],
    [
      'link.linkinfo.data.peer.mtu: must be an integer',
      () => roundTrip(link, { linkinfo: { kind: 'veth', data: { peer: { mtu: 2 ** 32 } } } }),
    ],
    // @ts-expect-error an unknown attribute does not compile either
    ['link.mtuu: is no attribute of this message', () => roundTrip(link, { mtuu: 1500 })],
    [
      'nftSetElement.elements: must be at most 65535 bytes',
      () =>
        roundTrip(nftSetElement, {
          elements: new Array(5000).fill({ key: { value: new Uint8Array(8) } }),
        }),
    ],
  ];

  it.each(refused)('%s', (message, encode) => {
    expect(encode).toThrow(EncodeError);
    expect(encode).toThrow(message);
  });

  it('leaves the messages before it in the writer as they were', () => {
    const writer = new Writer();
    appendMessage(writer, link.create({ ifname: 'good' }), 1);
    const before = writer.bytes.toString('hex', 0, writer.length);
    expect(() => appendMessage(writer, link.create({ ifname: 'bad', mtu: -1 }), 2)).toThrow(EncodeError);
    expect(writer.bytes.toString('hex', 0, writer.length)).toBe(before);
  });

  it('padding and structures carry no bytes of earlier messages', () => {
    const writer = new Writer();
    writer.bytes.fill(0xff);
    appendMessage(
      writer,
      link.create({ ifname: 'a', linkinfo: { kind: 'vxlan', data: { portRange: { low: 1 } } } }),
      0,
    );
    const clean = new Writer();
    appendMessage(
      clean,
      link.create({ ifname: 'a', linkinfo: { kind: 'vxlan', data: { portRange: { low: 1 } } } }),
      0,
    );
    expect(writer.bytes.subarray(0, writer.length)).toEqual(clean.bytes.subarray(0, clean.length));
  });
});

describe('arbitrary bytes', () => {
  const decodes = (decode: () => unknown): void => {
    try {
      decode();
    } catch (failure) {
      expect(failure).toBeInstanceOf(DecodeError);
    }
  };

  it.each(families.map((family) => [family.name, family] as const))(
    'as %s decode or are a DecodeError',
    (_, family) => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
          decodes(() => family.read(sourceOf(noise), 0, noise.length));
        }),
      );
    },
  );

  it.each(families.map((family) => [family.name, family] as const))(
    'within well-formed attributes of %s decode or are a DecodeError',
    (_, family) => {
      const attribute = fc.record({
        id: fc.integer({ min: 0, max: 60 }),
        payload: fc.uint8Array({ maxLength: 60 }),
      });
      fc.assert(
        fc.property(fc.array(attribute, { maxLength: 12 }), bytes(20), (attributes, header) => {
          for (const headerLength of [4, 8, 12, 16, 20]) {
            const writer = new Writer();
            writer.bytes.set(header.subarray(0, headerLength), writer.space(headerLength));
            for (const { id, payload } of attributes)
              writer.bytes.set(payload, writer.attribute(id, payload.length));
            decodes(() => family.read(sourceOf(writer.bytes), 0, writer.length));
          }
        }),
      );
    },
  );

  it('as a datagram or an acknowledgement decode or are a DecodeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), half, (noise, flags) => {
        const source = sourceOf(noise);
        decodes(() => visitMessages(source, noise.length, () => undefined));
        decodes(() => readAcknowledgement(NLMSG.ERROR, source, 0, noise.length, flags));
        decodes(() => readAcknowledgement(NLMSG.DONE, source, 0, noise.length, flags));
      }),
    );
  });

  it('an error names the way to the attribute', () => {
    const writer = new Writer();
    writer.space(16);
    const outer = writer.open(18);
    writer.bytes.set(Buffer.from('vxlan\0'), writer.attribute(1, 6));
    const data = writer.open(2);
    writer.attribute(1, 2);
    writer.close(data);
    writer.close(outer);
    expect(() => link.read(sourceOf(writer.bytes), 0, writer.length)).toThrow(
      'link.linkinfo.data.id: needs 4 bytes, has 2',
    );
  });
});
