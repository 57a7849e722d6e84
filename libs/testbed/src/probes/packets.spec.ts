import { describe, expect, it } from '@jest/globals';
import { arpFrame, udpFrame } from './frames.js';
import { asksFor, belongsTo, carries, type FlowSignature } from './packets.js';

const MACS = { sourceMac: '02:00:00:00:00:01', destinationMac: '02:00:00:00:00:02' };
const udp = (source: string, destination: string, port: number, payload = Buffer.from('x')) =>
  udpFrame({ ...MACS, source: { ip: source, port: 5000 }, destination: { ip: destination, port }, payload });

describe.each<[string, string, string, string]>([
  ['IPv4', '10.0.1.5', '10.0.1.6', '10.0.1.7'],
  ['IPv6', 'fd00::5', 'fd00::6', 'fd00::7'],
])('a packet of a flow over %s', (_, source, destination, other) => {
  const flow: FlowSignature = { source, destination, protocol: 17, port: 53 };

  it('is one between its addresses, of its protocol, to its port', () => {
    expect(belongsTo(udp(source, destination, 53), flow)).toBe(true);
    expect(belongsTo(udp(source, destination, 54), flow)).toBe(false);
    expect(belongsTo(udp(other, destination, 53), flow)).toBe(false);
    expect(belongsTo(udp(source, other, 53), flow)).toBe(false);
    expect(belongsTo(udp(destination, source, 53), flow)).toBe(false);
    expect(belongsTo(udp(source, destination, 53), { ...flow, protocol: 6 })).toBe(false);
    expect(belongsTo(Buffer.alloc(10), flow)).toBe(false);
  });

  it('is known in a tunnel', () => {
    const inner = udp(source, destination, 53);
    const vxlan = udp('10.254.0.1', '10.254.0.2', 4789, Buffer.concat([Buffer.alloc(8), inner]));
    expect(carries(vxlan, flow)).toBe(true);
    expect(carries(inner, flow)).toBe(false);
  });
});

it('who has the destination is asked for it by name, and for no other', () => {
  const flow: FlowSignature = { source: '10.0.1.5', destination: '10.0.1.6', protocol: 17, port: 53 };
  const question = (targetIp: string, operation: 'request' | 'reply' = 'request') =>
    arpFrame({ operation, senderMac: MACS.sourceMac, senderIp: '10.0.1.5', targetIp });
  expect(asksFor(question('10.0.1.6'), flow)).toBe(true);
  expect(asksFor(question('10.0.1.7'), flow)).toBe(false);
  expect(asksFor(question('10.0.1.6', 'reply'), flow)).toBe(false);
  expect(asksFor(udp('10.0.1.5', '10.0.1.6', 53), flow)).toBe(false);
});
