import { expect } from '@jest/globals';
import { FrameCapture, FrameSender, udpFrame, waitReachable, waitUntil } from '@outboard/testbed';
import * as d from '../src/testing/documents.js';
import { addressesOf, type LabNetwork, type LabPort, macOf, type PacketLab } from './packet-lab.js';

/** A second address of a gateway. */
export const PLACED_ADDRESS = '10.9.0.1';
const LLADDR = '02:00:5e:00:00:c8';
const FAR = { prefix: '172.20.0.0/16', host: '172.20.0.1' };

const neighbourOf = ({ network }: LabPort): string => `${network.ipv4}.200`;

/**
 * An address on the link of a network; a route by a port; an address that nobody has, the MAC address that has it, and that
 * this is behind the port.
 */
export const placedEntries = (lab: PacketLab, dpu: string, link: LabNetwork, to: LabPort): d.Entry[] => {
  const { uid, router } = to.network;
  const nextHop = { gateway: addressesOf(to)[0], weight: 1, networkUid: uid };
  return [
    d.interfaceAddress(link.uid, `${PLACED_ADDRESS}/24`),
    d.placedRoute(router, FAR.prefix, [nextHop]),
    d.neighbour(uid, neighbourOf(to), LLADDR),
    d.forwardingEntry(
      uid,
      LLADDR,
      dpu === to.dpu
        ? { case: 'portUid', value: to.name }
        : { case: 'tunnelEndpoint', value: lab.underlayOf(to.dpu) },
    ),
  ];
};

/** Packets from a port of another network: to the route's destination, and to the neighbour. */
export async function expectPlaced(lab: PacketLab, from: LabPort, to: LabPort): Promise<void> {
  await waitReachable(lab.pod(from.name), PLACED_ADDRESS);
  const seen = new Map<string, string>();
  const capture = await FrameCapture.open(lab.pod(to.name), 'eth0', (frame, direction) => {
    const payload = /placed ([0-9.]+)/.exec(frame.toString('latin1'))?.[1];
    if (direction !== 'in' || payload === undefined) return false;
    seen.set(payload, frame.subarray(0, 6).toString('hex'));
    return true;
  });
  const sender = await FrameSender.open(lab.pod(from.name), 'eth0');
  try {
    for (const ip of [FAR.host, neighbourOf(to)]) {
      const macs = { sourceMac: macOf(from), destinationMac: d.GATEWAY_MAC };
      const source = { ip: addressesOf(from)[0], port: 5000 };
      const payload = Buffer.from(`placed ${ip}`);
      sender.send(udpFrame({ ...macs, source, destination: { ip, port: 5000 }, payload }));
    }
    await waitUntil('both arrive', async () => {
      void capture.report;
      return seen.size === 2 ? undefined : JSON.stringify([...seen]);
    });
    expect(Object.fromEntries(seen)).toEqual({
      [FAR.host]: macOf(to).replaceAll(':', ''),
      [neighbourOf(to)]: LLADDR.replaceAll(':', ''),
    });
  } finally {
    sender[Symbol.dispose]();
    capture[Symbol.dispose]();
  }
}
