import {
  BPF,
  type BpfInstruction,
  ETHER_TYPE,
  IP_PROTOCOL,
  socketFilter,
  VLAN_ID_MASK,
  VLAN_TAG,
  WHOLE_MESSAGE,
} from '@outboard/netlink';

/** Offsets in a frame. */
const AT = {
  ETHER_TYPE: 12,
  IPV4_FRAGMENT: 20,
  IPV4_PROTOCOL: 23,
  IPV4_HEADER: 14,
  IPV6_PROTOCOL: 20,
  IPV6_PAYLOAD: 54,
};
const FRAGMENT_MASK = 0x3fff;
const DHCP_SERVER = 67;
const DHCPV6_SERVER = 547;
const ROUTER_SOLICITATION = 133;
const DESTINATION_PORT = 2;

/**
 * A socket filter that lets nothing pass but what may be a question to be answered: unfragmented DHCP to a server,
 * DHCPv6 to a server, router solicitations, of the VLAN or (0) without a tag. All else costs a few instructions in the kernel.
 */
export function questionFilter(vlanId: number): Uint8Array {
  // Each rule is a load and a jump to the end where it does not hold; the number of what is left to skip is known last.
  const check = (load: number, offset: number, value: number): readonly BpfInstruction[] => [
    [load, 0, 0, offset],
    [BPF.JUMP_IF_EQUAL, 0, DROP, value],
  ];
  const ipv4: readonly BpfInstruction[] = [
    [BPF.LOAD_HALF, 0, 0, AT.IPV4_FRAGMENT],
    [BPF.JUMP_IF_SET, DROP, 0, FRAGMENT_MASK],
    ...check(BPF.LOAD_BYTE, AT.IPV4_PROTOCOL, IP_PROTOCOL.UDP),
    [BPF.LOAD_HEADER_LENGTH, 0, 0, AT.IPV4_HEADER],
    ...check(BPF.LOAD_HALF_INDEXED, AT.IPV4_HEADER + DESTINATION_PORT, DHCP_SERVER),
    [BPF.RETURN, 0, 0, WHOLE_MESSAGE],
  ];
  const udp6: readonly BpfInstruction[] = [
    ...check(BPF.LOAD_HALF, AT.IPV6_PAYLOAD + DESTINATION_PORT, DHCPV6_SERVER),
    [BPF.RETURN, 0, 0, WHOLE_MESSAGE],
  ];
  const ipv6: readonly BpfInstruction[] = [
    [BPF.LOAD_BYTE, 0, 0, AT.IPV6_PROTOCOL],
    [BPF.JUMP_IF_EQUAL, 0, udp6.length, IP_PROTOCOL.UDP],
    ...udp6,
    [BPF.JUMP_IF_EQUAL, 0, DROP, IP_PROTOCOL.ICMPV6],
    ...check(BPF.LOAD_BYTE, AT.IPV6_PAYLOAD, ROUTER_SOLICITATION),
    [BPF.RETURN, 0, 0, WHOLE_MESSAGE],
  ];
  const tag: readonly BpfInstruction[] =
    vlanId === 0
      ? []
      : [
          [BPF.LOAD_WORD, 0, 0, VLAN_TAG.ID_AND_PRIORITY],
          [BPF.AND, 0, 0, VLAN_ID_MASK],
          [BPF.JUMP_IF_EQUAL, 0, DROP, vlanId],
        ];
  const program: readonly BpfInstruction[] = [
    ...check(BPF.LOAD_WORD, VLAN_TAG.IS_PRESENT, vlanId === 0 ? 0 : 1),
    ...tag,
    [BPF.LOAD_HALF, 0, 0, AT.ETHER_TYPE],
    [BPF.JUMP_IF_EQUAL, 0, ipv4.length, ETHER_TYPE.IPV4],
    ...ipv4,
    [BPF.JUMP_IF_EQUAL, 0, DROP, ETHER_TYPE.IPV6],
    ...ipv6,
    [BPF.RETURN, 0, 0, 0],
  ];
  const last = program.length - 1;
  return socketFilter(
    program.map(([code, ifTrue, ifFalse, value], index): BpfInstruction => {
      const skip = (count: number): number => (count === DROP ? last - index - 1 : count);
      return [code, skip(ifTrue), skip(ifFalse), value];
    }),
  );
}

/** Jumps with this count go to the last instruction. */
const DROP = -1;
