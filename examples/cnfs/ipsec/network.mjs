// What the kernel has to do between the port `inside`, where the protected traffic comes from, and the tunnel.
import { run } from '../run.mjs';
import { requireSysctl } from '../sysctl.mjs';

export const INSIDE = 'inside';
export const OUTSIDE = 'outside';
/** Bytes that a tunnel adds at most: IPv6 40, UDP 8, ESP 8, IV 16, padding and trailer 17, ICV 16, for AES in CBC mode. */
const OVERHEAD = 105;

/**
 * Protocols by number, as a container may not have the names of all: 1 and 58 are ICMP and ICMPv6.
 *
 * Nothing goes out by `outside` but what the daemon itself sends: what no tunnel takes is dropped, never forwarded in
 * clear. TCP learns the size that fits at once, others by "fragmentation needed".
 */
const ruleset = (tunnel) => `
table inet ipsec-gateway
flush table inet ipsec-gateway
table inet ipsec-gateway {
  chain forward {
    type filter hook forward priority filter; policy drop;
    oifname ${tunnel} tcp flags syn tcp option maxseg size set rt mtu
    iifname ${INSIDE} oifname ${tunnel} accept
    iifname ${tunnel} oifname ${INSIDE} accept
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname ${OUTSIDE} udp dport { 500, 4500 } accept
    iifname ${OUTSIDE} meta l4proto { 1, 58 } accept
    iifname ${OUTSIDE} drop
  }
}
`;

/** Throws when there are no such ports. */
export async function prepareNetwork(tunnel) {
  await run('nft', ['-f', '-'], ruleset(tunnel));
  const [outside] = JSON.parse(await run('ip', ['-json', 'link', 'show', 'dev', OUTSIDE]));
  await run('ip', ['link', 'set', 'dev', INSIDE, 'up']);
  await run('ip', ['link', 'set', 'dev', tunnel, 'mtu', `${outside.mtu - OVERHEAD}`]);
  for (const name of ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding']) requireSysctl(name, '1');
}
