import { describe, expect, it } from '@jest/globals';
import { textOf } from './frames.js';
import { SimUplink } from './sim-uplink.js';
import { type Headers, Packet } from './switch/packet.js';

const UNDERLAY = '10.254.0.1';
const MACHINE = '10.254.0.250';
const [DOOR, OTHER_DOOR] = ['241.0.0.1', '242.0.0.1'];

const udp = (ipv4_src: string, ipv4_dst: string, ports: readonly [number, number]): Packet =>
  Packet.of('', { eth_type: 0x0800, ipv4_src, ipv4_dst, ip_proto: 17, ...portsOf(ports) }, { probe: 1 });
const portsOf = ([udp_src, udp_dst]: readonly [number, number]): Headers => ({ udp_src, udp_dst });
const source = (packet: Packet | undefined): string | undefined =>
  packet && textOf(4, packet.get('ipv4_src'));
const destination = (packet: Packet | undefined): string | undefined =>
  packet && textOf(4, packet.get('ipv4_dst'));

describe('the way out of a simulated DPU', () => {
  it('leaves under the address of the underlay, and leads answers back to the door that asked', () => {
    const uplink = new SimUplink(UNDERLAY);
    const leaving = [DOOR, OTHER_DOOR].map((door) => uplink.out(udp(door, MACHINE, [4000, 53])));
    expect(leaving.map(source)).toEqual([UNDERLAY, UNDERLAY]);
    const seen = leaving.map((packet) => Number(packet?.get('udp_src')));
    expect(new Set(seen).size).toBe(2);
    const back = seen.map((port) => uplink.in(udp(MACHINE, UNDERLAY, [53, port])));
    expect(back.map(destination)).toEqual([DOOR, OTHER_DOOR]);
    expect(back.map((packet) => Number(packet?.get('udp_dst')))).toEqual([4000, 4000]);
  });

  it('lets nothing in that answers nothing', () => {
    const uplink = new SimUplink(UNDERLAY);
    expect(uplink.in(udp(MACHINE, UNDERLAY, [53, 4000]))).toBeUndefined();
    uplink.out(udp(DOOR, MACHINE, [4000, 53]));
    expect(uplink.in(udp(MACHINE, UNDERLAY, [54, 4000]))).toBeUndefined();
  });

  it.each([
    ['what a DPU would take for a tunnel of VXLAN', udp(DOOR, MACHINE, [4000, 4789])],
    ['what a DPU would take for a tunnel of GENEVE', udp(DOOR, MACHINE, [4000, 6081])],
    ['what is for the DPU itself', udp(DOOR, UNDERLAY, [4000, 53])],
    ['what comes from no door', udp('10.0.1.5', MACHINE, [4000, 53])],
  ])('lets out nothing of %s', (_, packet) => {
    expect(new SimUplink(UNDERLAY).out(packet)).toBeUndefined();
  });
});
