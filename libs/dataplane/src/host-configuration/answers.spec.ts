import { describe, expect, it } from '@jest/globals';
import {
  ETHER_TYPE,
  ethernetFrame,
  formatIp,
  ipBytes,
  neighbourDiscoveryFrame,
  parseLinkAddress,
  readPacket,
  readUdp,
  udpFrame,
} from '@outboard/netlink';
import { answerTo } from './answers.js';
import type { ResponderSpec, ToldSubnet } from './responder-spec.js';

const MAC = '02:00:5e:00:10:05';
const GATEWAY_MAC = '0e:00:00:00:00:01';
const LINK_LOCAL = 'fe80::5eff:fe00:1005';

const V4: ToldSubnet = {
  family: 4,
  address: '10.0.1.5',
  prefix: '10.0.1.0',
  prefixLength: 24,
  gateway: '10.0.1.1',
  dnsServers: ['10.0.1.53'],
  domainName: 'example.org',
  dhcp: { leaseSeconds: 600, ntpServers: [], routes: [] },
  advertisement: null,
};
const V6: ToldSubnet = {
  family: 6,
  address: '2001:db8::5',
  prefix: '2001:db8::',
  prefixLength: 64,
  gateway: '2001:db8::1',
  dnsServers: ['2001:db8::53'],
  domainName: 'example.org',
  dhcp: { leaseSeconds: 600, ntpServers: ['2001:db8::123'], routes: [] },
  advertisement: { lifetimeSeconds: 1800, autonomous: false },
};
const specWith = (...subnets: readonly ToldSubnet[]): ResponderSpec => ({
  kind: 'responder',
  device: 'pf0vf0',
  vlanId: 0,
  mac: MAC,
  hostName: 'web-0',
  mtu: 1450,
  server: GATEWAY_MAC,
  subnets,
});

interface Question {
  readonly type: number;
  readonly own?: string;
  readonly options?: readonly (readonly [number: number, ...value: number[]])[];
  readonly mac?: string;
  readonly senderMac?: string;
  readonly relay?: string;
  readonly broadcast?: boolean;
}

function dhcpQuestion({ type, own = '0.0.0.0', options = [], mac = MAC, ...rest }: Question): Buffer {
  const message = Buffer.alloc(240);
  message.set([1, 1, 6], 0);
  message.writeUInt32BE(0xfeedbeef, 4);
  if (rest.broadcast) message.writeUInt16BE(0x8000, 10);
  message.set(ipBytes(own), 12);
  message.set(ipBytes(rest.relay ?? '0.0.0.0'), 24);
  parseLinkAddress(mac, message, 28);
  message.writeUInt32BE(0x63825363, 236);
  const tail = [[53, type] as const, ...options].flatMap(([number, ...value]) => [
    number,
    value.length,
    ...value,
  ]);
  return udpFrame({
    sourceMac: rest.senderMac ?? mac,
    destinationMac: 'ff:ff:ff:ff:ff:ff',
    source: { ip: own, port: 68 },
    destination: { ip: '255.255.255.255', port: 67 },
    payload: Buffer.concat([message, Buffer.from([...tail, 255])]),
  });
}

/** What the client understands of an answer. */
function dhcpAnswer(frame: Buffer | undefined) {
  const packet = frame && readPacket(frame);
  const message = packet && readUdp(packet, 68);
  if (!frame || !message) return undefined;
  const options: Record<number, number[]> = {};
  for (let at = 240; message[at] !== 255; at += 2 + (message[at + 1] ?? 0)) {
    options[message[at] ?? 0] = [...message.subarray(at + 2, at + 2 + (message[at + 1] ?? 0))];
  }
  return {
    to: frame.subarray(0, 6).toString('hex'),
    ip: formatIp(frame, 30, 4),
    transaction: message.readUInt32BE(4).toString(16),
    yours: formatIp(message, 16, 4),
    options,
    length: frame.length,
  };
}

const bytesOf = (...ips: readonly string[]): number[] => ips.flatMap((ip) => [...ipBytes(ip)]);
const typeOf = (frame: Buffer | undefined): number | undefined => dhcpAnswer(frame)?.options[53]?.[0];
const [OFFER, ACK, NAK] = [2, 5, 6];

describe('DHCP is answered with', () => {
  it('the address of the port, its prefix, gateway, MTU, names and servers, to the port alone', () => {
    const answer = dhcpAnswer(answerTo(dhcpQuestion({ type: 1 }), specWith(V4, V6)));
    expect(answer).toMatchObject({
      to: MAC.replaceAll(':', ''),
      ip: '10.0.1.5',
      transaction: 'feedbeef',
      yours: '10.0.1.5',
      options: {
        53: [OFFER],
        54: bytesOf('10.0.1.1'),
        51: [0, 0, 2, 88],
        58: [0, 0, 1, 44],
        59: [0, 0, 2, 13],
        1: [255, 255, 255, 0],
        3: bytesOf('10.0.1.1'),
        26: [5, 170],
        6: bytesOf('10.0.1.53'),
        12: [...Buffer.from('web-0')],
        15: [...Buffer.from('example.org')],
      },
    });
    expect(dhcpAnswer(answerTo(dhcpQuestion({ type: 1, broadcast: true }), specWith(V4)))).toMatchObject({
      to: 'ffffffffffff',
      ip: '255.255.255.255',
    });
  });

  it('routes, the default route among them, for those who understand these ignore the router', () => {
    const routes = [{ destination: '192.0.2.0/25', nextHop: '10.0.1.9' }];
    const told = { ...V4, dhcp: { leaseSeconds: 600, ntpServers: [], routes } };
    expect(dhcpAnswer(answerTo(dhcpQuestion({ type: 1 }), specWith(told)))?.options[121]).toEqual([
      ...[25, 192, 0, 2, 0, ...bytesOf('10.0.1.9')],
      ...[0, ...bytesOf('10.0.1.1')],
    ]);
  });

  it('agreement where it asks for the address of the port, and refusal where it asks for another', () => {
    const spec = specWith(V4);
    const asks = (question: Omit<Question, 'type'>) =>
      typeOf(answerTo(dhcpQuestion({ type: 3, ...question }), spec));
    const [own, other, gateway, rogue] = ['10.0.1.5', '10.0.1.6', '10.0.1.1', '10.0.1.99'].map((ip) =>
      bytesOf(ip),
    );
    const option = (number: number, value: number[] = []) => [number, ...value] as [number, ...number[]];
    expect(asks({ options: [option(50, own), option(54, gateway)] })).toBe(ACK);
    expect(asks({ options: [option(50, own)] })).toBe(ACK);
    expect(asks({ own: '10.0.1.5' })).toBe(ACK);
    expect(asks({ options: [option(50, other), option(54, gateway)] })).toBe(NAK);
    expect(asks({ own: '10.0.1.6' })).toBe(NAK);
    expect(asks({ options: [option(50, own), option(54, rogue)] })).toBeUndefined();
    // Only told, not given; and what it declines or releases is the port's still.
    expect(dhcpAnswer(answerTo(dhcpQuestion({ type: 8, own: '10.0.1.5' }), spec))).toMatchObject({
      yours: '0.0.0.0',
      options: expect.not.objectContaining({ 51: expect.anything() }),
    });
    for (const type of [4, 7, 9, 0]) expect(asks({ type } as Question)).toBeUndefined();
  });

  it('as much as has room in what the client takes', () => {
    const routes = Array.from({ length: 16 }, (_, index) => ({
      destination: `192.0.2.${index}/32`,
      nextHop: '10.0.1.9',
    }));
    const domainName = Array.from({ length: 4 }, () => 'd'.repeat(60)).join('.');
    const told = { ...V4, domainName, dhcp: { leaseSeconds: 600, ntpServers: ['10.0.1.1'], routes } };
    const small = dhcpAnswer(answerTo(dhcpQuestion({ type: 1 }), specWith(told)));
    expect(small?.length).toBeLessThanOrEqual(14 + 576);
    expect(small?.options[121]).toBeDefined();
    expect(small?.options[15]).toBeUndefined();
    const large = answerTo(dhcpQuestion({ type: 1, options: [[57, 5, 220]] }), specWith(told));
    expect(dhcpAnswer(large)?.options[15]).toHaveLength(domainName.length);
  });

  it('nothing to others, by relays, or where the subnet says nothing', () => {
    const spec = specWith(V4);
    expect(answerTo(dhcpQuestion({ type: 1, mac: '02:00:5e:00:10:06' }), spec)).toBeUndefined();
    expect(answerTo(dhcpQuestion({ type: 1, senderMac: '02:00:5e:00:10:06' }), spec)).toBeUndefined();
    expect(answerTo(dhcpQuestion({ type: 1, relay: '10.0.1.9' }), spec)).toBeUndefined();
    expect(answerTo(dhcpQuestion({ type: 1 }), specWith({ ...V4, dhcp: null }, V6))).toBeUndefined();
  });
});

const solicitation = (
  source = LINK_LOCAL,
  fields: Partial<{ hopLimit: number; type: number }> = {},
): Buffer => {
  const frame = neighbourDiscoveryFrame({
    sourceMac: MAC,
    destinationMac: '33:33:00:00:00:02',
    source,
    destination: 'ff02::2',
    message: Uint8Array.of(fields.type ?? 133, 0, 0, 0, 0, 0, 0, 0),
  });
  frame[21] = fields.hopLimit ?? 255;
  return frame;
};

/** Flags, lifetime and options of an advertisement. */
function advertisement(frame: Buffer | undefined) {
  const packet = frame && readPacket(frame);
  if (!frame || !packet) return undefined;
  const { payload } = packet;
  const options: Record<number, string> = {};
  for (let at = 16; at < payload.length; at += 8 * (payload[at + 1] ?? 1)) {
    options[payload[at] ?? 0] = payload.subarray(at, at + 8 * (payload[at + 1] ?? 1)).toString('hex');
  }
  const [from, to] = [formatIp(frame, 22, 16), formatIp(frame, 38, 16)];
  return { from, to, type: payload[0], flags: payload[5], lifetime: payload.readUInt16BE(6), options };
}

describe('a router solicitation is answered with', () => {
  it('the router, the prefix, the MTU and DNS, to whoever asked', () => {
    const told = advertisement(answerTo(solicitation(), specWith(V4, V6)));
    expect(told).toMatchObject({ from: 'fe80::1', to: LINK_LOCAL, type: 134, lifetime: 1800 });
    expect(told?.options).toEqual({
      1: `0101${GATEWAY_MAC.replaceAll(':', '')}`,
      3: `03044080${'00015180'}${'00003840'}00000000${'20010db8'.padEnd(32, '0')}`,
      5: `05010000${'000005aa'}`,
      25: `19030000${'00000708'}${'20010db8'.padEnd(29, '0')}053`,
      31: `1f030000${'00000708'}${Buffer.from('\x07example\x03org\x00').toString('hex')}000000`,
    });
    expect(advertisement(answerTo(solicitation('::'), specWith(V6)))?.to).toBe('ff02::1');
  });

  it.each([
    ['by DHCP, if that is answered', { autonomous: false, dhcp: V6.dhcp }, 0xc0, '80'],
    ['made by hosts, in mode EUI64', { autonomous: true, dhcp: null }, 0, 'c0'],
    ['made by hosts, and the rest by DHCP', { autonomous: true, dhcp: V6.dhcp }, 0x40, 'c0'],
    ['of the status alone, otherwise', { autonomous: false, dhcp: null }, 0, '80'],
  ])('where addresses come from: %s', (_, { autonomous, dhcp }, flags, prefixFlags) => {
    const told = { ...V6, dhcp, advertisement: { lifetimeSeconds: 1800, autonomous } };
    const answer = advertisement(answerTo(solicitation(), specWith(told)));
    expect([answer?.flags, answer?.options[3]?.slice(6, 8)]).toEqual([flags, prefixFlags]);
  });

  it('nothing if it may come from elsewhere, is none, or there is nothing to tell', () => {
    expect(answerTo(solicitation(LINK_LOCAL, { hopLimit: 64 }), specWith(V6))).toBeUndefined();
    expect(answerTo(solicitation(LINK_LOCAL, { type: 134 }), specWith(V6))).toBeUndefined();
    expect(answerTo(solicitation(), specWith(V4, { ...V6, advertisement: null }))).toBeUndefined();
  });
});

const CLIENT_ID = option6(1, [0, 3, 0, 1, 2, 0, 0x5e, 0, 0x10, 5]);
const SERVER_ID = option6(2, [0, 3, 0, 1, 0x0e, 0, 0, 0, 0, 1]);

function option6(number: number, value: readonly number[]): number[] {
  return [number >> 8, number & 255, value.length >> 8, value.length & 255, ...value];
}

const association = (...addresses: readonly string[]): number[] =>
  option6(3, [
    ...[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0],
    ...addresses.flatMap((ip) => option6(5, [...ipBytes(ip), 0, 0, 0, 0, 0, 0, 0, 0])),
  ]);

const dhcpv6Question = (type: number, ...options: readonly number[][]): Buffer =>
  udpFrame({
    sourceMac: MAC,
    destinationMac: '33:33:00:01:00:02',
    source: { ip: LINK_LOCAL, port: 546 },
    destination: { ip: 'ff02::1:2', port: 547 },
    payload: Uint8Array.from([type, 1, 2, 3, ...options.flat()]),
  });

const dhcpv6Answer = (frame: Buffer | undefined): string | undefined => {
  const packet = frame && readPacket(frame);
  return packet && readUdp(packet, 546)?.toString('hex');
};
const hex = (bytes: readonly number[]): string => Buffer.from(bytes).toString('hex');
/** Of the association: the address, preferred and valid for ten minutes. */
const GIVEN = `0005001820010db8${'5'.padStart(24, '0')}0000025800000258`;

describe('DHCPv6 is answered with', () => {
  const spec = specWith(V4, V6);

  it('the address of the port, DNS and NTP', () => {
    const offer = dhcpv6Answer(answerTo(dhcpv6Question(1, CLIENT_ID, association()), spec));
    expect(offer).toMatch(/^02010203/);
    for (const part of [hex(CLIENT_ID), hex(SERVER_ID), GIVEN]) expect(offer).toContain(part);
    expect(offer).toContain(hex(option6(23, [...ipBytes('2001:db8::53')])));
    expect(offer).toContain(hex(option6(56, option6(1, [...ipBytes('2001:db8::123')]))));
    const request = dhcpv6Question(3, CLIENT_ID, SERVER_ID, association('2001:db8::5'));
    expect(dhcpv6Answer(answerTo(request, spec))).toMatch(new RegExp(`^07010203.*${GIVEN}`));
    // At once, for those who say that they take it.
    const rapid = dhcpv6Question(1, CLIENT_ID, association(), option6(14, []));
    expect(dhcpv6Answer(answerTo(rapid, spec))).toMatch(new RegExp(`^07010203.*000e0000.*${GIVEN}`));
    expect(dhcpv6Answer(answerTo(dhcpv6Question(11), spec))).not.toContain(GIVEN);
  });

  it('the end of what the port does not have any more, and no to what it cannot have', () => {
    const renew = dhcpv6Question(5, CLIENT_ID, SERVER_ID, association('2001:db8::6'), association());
    const answer = dhcpv6Answer(answerTo(renew, spec));
    expect(answer).toContain(GIVEN);
    expect(answer).toContain(`0005001820010db8${'6'.padStart(24, '0')}0000000000000000`);
    // NoAddrsAvail for the second association.
    expect(answer).toContain(hex(option6(13, [0, 2])));
    const status = (type: number, ...options: number[][]) =>
      dhcpv6Answer(answerTo(dhcpv6Question(type, CLIENT_ID, ...options), spec))?.slice(-4);
    expect(status(4, association('2001:db8::5'))).toBe('0000');
    expect(status(4, association('2001:db9::5'))).toBe('0004');
    expect(status(8, SERVER_ID, association('2001:db8::5'))).toBe('0000');
  });

  it('nothing if it names another server, or none where one must be named, or not who asks', () => {
    const other = option6(2, [0, 3, 0, 1, 2, 2, 2, 2, 2, 2]);
    for (const question of [
      dhcpv6Question(1, association()),
      dhcpv6Question(1, CLIENT_ID, SERVER_ID),
      dhcpv6Question(3, CLIENT_ID, association()),
      dhcpv6Question(3, CLIENT_ID, other, association()),
      dhcpv6Question(4, CLIENT_ID, association()),
      dhcpv6Question(12, CLIENT_ID),
    ]) {
      expect(answerTo(question, spec)).toBeUndefined();
    }
    expect(answerTo(dhcpv6Question(1, CLIENT_ID), specWith({ ...V6, dhcp: null }))).toBeUndefined();
  });
});

it('whatever a port sends, cut anywhere and changed anywhere, is answered with something short or nothing', () => {
  const spec = specWith(V4, V6);
  const questions = [
    dhcpQuestion({ type: 1, options: [[57, 5, 220]] }),
    solicitation(),
    dhcpv6Question(1, CLIENT_ID, association('2001:db8::5')),
    dhcpv6Question(5, CLIENT_ID, SERVER_ID, association('2001:db8::6', '2001:db8::7'), association()),
    ethernetFrame(GATEWAY_MAC, MAC, ETHER_TYPE.IPV4, Buffer.alloc(0)),
  ];
  let answered = 0;
  for (const question of questions) {
    for (let at = 0; at < question.length; at++) {
      for (const value of [0, 1, 127, 128, 255]) {
        const changed = Buffer.from(question);
        changed[at] = value;
        for (const frame of [changed, question.subarray(0, at)]) {
          const answer = answerTo(frame, spec);
          if (answer) answered++;
          expect(answer?.length ?? 0).toBeLessThan(600);
        }
      }
    }
  }
  expect(answered).toBeGreaterThan(500);
});
