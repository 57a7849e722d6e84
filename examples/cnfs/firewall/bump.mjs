// A bump in the wire: frames that come in by the port `ingress` go out by the port `egress`, and the other way, unchanged.
import { run } from '../run.mjs';
import { requireSysctl } from '../sysctl.mjs';

export const INGRESS = 'ingress';
export const EGRESS = 'egress';
const BRIDGE = 'bump';

/** Makes it, or finds it made. Throws when there are no such ports. */
export async function makeBump() {
  // br_netfilter shows bridged IP packets to the `inet` tables.
  for (const family of ['ip', 'ip6']) requireSysctl(`net/bridge/bridge-nf-call-${family}tables`, '1');
  const links = JSON.parse(await run('ip', ['-json', 'link', 'show']));
  if (!links.some(({ ifname }) => ifname === BRIDGE)) {
    await batch([`link add ${BRIDGE} type bridge stp_state 0 mcast_snooping 0 ageing_time 0`]);
  }
  await batch([
    // It only forwards: it has no addresses and answers nobody.
    `link set ${BRIDGE} addrgenmode none arp off`,
    `link set ${BRIDGE} up`,
    // A bridge that learns would believe that a pod has moved, when its frames come back by the other port to reach
    // another pod of the same chain. With two ports there is nothing to learn.
    ...[INGRESS, EGRESS].flatMap((port) => [
      `link set ${port} master ${BRIDGE} up`,
      `link set ${port} type bridge_slave learning off flood on mcast_flood on`,
    ]),
  ]);
}

const batch = (commands) => run('ip', ['-batch', '-'], `${commands.join('\n')}\n`);
