import { readPacket } from '@outboard/netlink';
import { answerDhcp } from './dhcp.js';
import { answerDhcpv6 } from './dhcpv6.js';
import type { ResponderSpec } from './responder-spec.js';
import { answerSolicitation } from './router-advertisement.js';

/** The longest question: what the largest network carries, with its Ethernet header. */
export const MAX_QUESTION_BYTES = 9216;

/** The frame that answers a question that a port has sent; undefined: it is none, or is not to be answered. */
export function answerTo(frame: Buffer, spec: ResponderSpec): Buffer | undefined {
  const packet = readPacket(frame);
  if (packet?.sourceMac !== spec.mac) return undefined;
  if (packet.source.length === 4) return answerDhcp(packet, spec);
  return (
    answerSolicitation(packet, spec) ?? (isLinkLocal(packet.source) ? answerDhcpv6(packet, spec) : undefined)
  );
}

const isLinkLocal = ([first = 0, second = 0]: Uint8Array): boolean =>
  first === 0xfe && (second & 0xc0) === 0x80;
