import { describe, expect, it } from '@jest/globals';
import { EXIT_DEVICE, EXIT_MAC, exitKey, type OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import { canonicalAddress } from '../realise/addresses.js';
import { uplinkTable } from '../realise/fixed-table-objects.js';
import { type Family, familyOf, numberOfIp, textOf } from './frames.js';
import { SimUplink } from './sim-uplink.js';
import { type Headers, Packet } from './switch/packet.js';

const STRANGER = { 4: '10.0.1.5', 6: 'fd00:1::5' } as const;
const FAMILIES = {
  4: { underlay: '10.254.0.1', machine: '10.254.0.250', doors: ['241.0.0.1', '242.0.0.1'] },
  6: { underlay: 'fd00:fab::1', machine: 'fd00:fab::250', doors: ['100::1', '100::2'] },
} as const;
const EXIT: OvsSpec = { kind: 'exit', name: EXIT_DEVICE, mac: EXIT_MAC, up: true, forwarding: true };

const udp = (from: string, to: string, [udp_src, udp_dst]: readonly [number, number]): Packet => {
  const addresses: Headers =
    familyOf(from) === 4
      ? { eth_type: 0x0800, ipv4_src: numberOfIp(from), ipv4_dst: numberOfIp(to) }
      : { eth_type: 0x86dd, ipv6_src: numberOfIp(from), ipv6_dst: numberOfIp(to) };
  return Packet.of('', { ...addresses, ip_proto: 17, udp_src, udp_dst }, { probe: 1 });
};
const text = (family: Family, ip: bigint): string | undefined => canonicalAddress(textOf(family, ip));

/** With the address of one family, or others; `without`: what does not stand. */
function uplinkOf(addresses: readonly string[], without?: 'exit' | 'table'): SimUplink {
  const table = uplinkTable('p0', addresses[0] ?? '');
  const standing = new Map<string, OvsSpec>([
    ...(without === 'exit' ? [] : [[exitKey(EXIT_DEVICE), EXIT] as const]),
    ...(without === 'table' ? [] : [[table.key, table.spec] as const]),
  ]);
  return new SimUplink(addresses, (key) => {
    const spec = standing.get(key);
    return spec && { spec };
  });
}

describe.each([4, 6] as const)('the way out of a simulated DPU by IPv%i', (family) => {
  const { underlay, machine, doors } = FAMILIES[family];
  const [door] = doors;
  const source = (packet: Packet | undefined) =>
    packet && text(family, packet.get(family === 4 ? 'ipv4_src' : 'ipv6_src'));
  const destination = (packet: Packet | undefined) =>
    packet && text(family, packet.get(family === 4 ? 'ipv4_dst' : 'ipv6_dst'));

  it('leaves under the address of the underlay, and leads answers back to the door that asked', () => {
    const uplink = uplinkOf([underlay]);
    const leaving = doors.map((each) => uplink.out(udp(each, machine, [4000, 53])));
    expect(leaving.map(source)).toEqual([underlay, underlay]);
    const seen = leaving.map((packet) => Number(packet?.get('udp_src')));
    expect(new Set(seen).size).toBe(2);
    const back = seen.map((port) => uplink.in(udp(machine, underlay, [53, port])));
    expect(back.map(destination)).toEqual(doors);
    expect(back.map((packet) => Number(packet?.get('udp_dst')))).toEqual([4000, 4000]);
  });

  it('lets nothing in that answers nothing', () => {
    const uplink = uplinkOf([underlay]);
    expect(uplink.in(udp(machine, underlay, [53, 4000]))).toBeUndefined();
    uplink.out(udp(door, machine, [4000, 53]));
    expect(uplink.in(udp(machine, underlay, [54, 4000]))).toBeUndefined();
    expect(uplink.in(udp(machine, door, [53, 4000]))).toBeUndefined();
  });

  it.each([
    ['what a DPU would take for a tunnel of VXLAN', udp(door, machine, [4000, 4789])],
    ['what a DPU would take for a tunnel of GENEVE', udp(door, machine, [4000, 6081])],
    ['what is for the DPU itself', udp(door, underlay, [4000, 53])],
    ['what comes from no door', udp(STRANGER[family], machine, [4000, 53])],
  ])('lets out nothing of %s', (_, packet) => {
    expect(uplinkOf([underlay]).out(packet)).toBeUndefined();
  });

  it('is none without an exit that forwards, or without an address of the family', () => {
    const other = FAMILIES[family === 4 ? 6 : 4].underlay;
    for (const uplink of [uplinkOf([underlay], 'exit'), uplinkOf([other])])
      expect(uplink.out(udp(door, machine, [4000, 53]))).toBeUndefined();
  });

  it('without its rules just forwards, as kernels do, and gets no answer', () => {
    const uplink = uplinkOf([underlay], 'table');
    expect(source(uplink.out(udp(door, machine, [4000, 4789])))).toBe(door);
    expect(uplink.in(udp(machine, underlay, [53, 4000]))).toBeUndefined();
  });
});
