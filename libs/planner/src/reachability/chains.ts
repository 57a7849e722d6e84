import type { IpAddress } from '@outboard/model';
import type { PortEntry } from '../entries.js';
import { isDestination } from '../service-chains/destination.js';
import type { World } from '../world.js';
import { absentHops } from './closures.js';
import type { Explanation } from './explanation.js';
import type { Path } from './path.js';

/**
 * The hops that a packet of a port meets, by the other end of its flow: `sent`, on its way from the port; otherwise on its
 * way to it, in reverse. An explanation: it ends there. Whether who runs a hop says that it is up, and what a hop lets
 * through, is not known here.
 */
export function passChain(
  world: World,
  path: Path,
  port: PortEntry,
  other: IpAddress,
  sent: boolean,
): Explanation | undefined {
  const chain = port.chains.find((each) =>
    isDestination(world.serviceChains.destinationOf(each, port.network.router), other),
  );
  const home = port.placement?.dpu;
  if (!chain || !home) return undefined;
  const { metadata, spec } = chain.record.resource;
  const label = `servicechain ${metadata.name}`;
  const hops = sent ? spec.hops : [...spec.hops].reverse();
  const absent = absentHops(world, chain, home);
  const first = hops.find((hop) => absent.includes(hop));
  if (first && spec.failureMode === 'FAIL_CLOSED') {
    const message = `${label} is FAIL_CLOSED, and its hop ${first.name} has no port that is up on ${home.record.name}`;
    return path.unreachable('HopUnavailable', message);
  }
  for (const hop of hops) {
    const [into, out] = sent ? [hop.ingressPort, hop.egressPort] : [hop.egressPort, hop.ingressPort];
    const detail = absent.includes(hop)
      ? 'is not there, and is left out'
      : `gets it by port ${into}; what it lets through goes on by port ${out}`;
    path.hop('serviceChain', home.record.name, `${label} hop ${hop.name}`, detail);
  }
  return undefined;
}
