import { hash as digest } from 'node:crypto';
import type { DriverObject } from '../driver.js';
import { parsePrefix } from './addresses.js';
import { cookieOfCounter, type HopDirection } from './hop-counters.js';
import { linkKey, STEERING_PRIORITIES, steeringKey } from './linux-keys.js';
import type { LinuxSpec, SteeringSpec } from './linux-objects.js';
import { peerOfVeth } from './names.js';
import type { Member } from './segment.js';
import { type Leg, legsOf, type Steering } from './service-chain.js';
import { type SteeredPackets, steeringProgram } from './steering-program.js';

/** A port whose traffic goes through chains, and the two devices between which they lie. */
export interface SteeredPort extends Member {
  readonly portUid: string;
  /** By which the port's frames come in. */
  readonly representor: string;
  /** By which frames for the port come out of its network. */
  readonly veth: string;
}

/**
 * The filters by which a port's traffic goes through its chains. `closures` drop what should have gone into a chain and
 * did not; nothing of the port is let through before they are there.
 */
export function steeringObjects(
  port: SteeredPort,
  steerings: readonly Steering[],
): { readonly objects: readonly DriverObject<LinuxSpec>[]; readonly closures: readonly string[] } {
  const all = steerings.map((steering) => chainObjects(port, steering));
  const closures = all.flatMap((each) => each.closures);
  return {
    objects: [...all.flatMap(({ legs }) => legs), ...closures],
    closures: closures.map(({ key }) => key),
  };
}

type Filters = DriverObject<SteeringSpec>[];

function chainObjects(port: SteeredPort, steering: Steering): { legs: Filters; closures: Filters } {
  const { portUid, addresses, pairs } = port;
  const own = [
    ...addresses.flatMap((address) => parsePrefix(address) ?? []),
    ...pairs.map(({ source }) => source),
  ];
  const packets: SteeredPackets = {
    own,
    others: steering.destinations,
    exceptions: steering.exceptions,
  };
  const identity = `${steering.chainUid} ${portUid}`;
  // Of a way the last leg is made first, and each one waits for the one that it leads to.
  const next = new Map<HopDirection, string>();
  const legs = legsOf(steering).map((leg) => {
    const object = legObject(port, leg, packets, identity, next.get(leg.direction));
    next.set(leg.direction, object.key);
    return object;
  });
  const closures = steering.closed
    ? (['forward', 'reverse'] as const).map((direction) =>
        filter('closure', entryOf(port, direction), `${identity} ${direction}`, {
          program: steeringProgram(packets, direction, 'drop'),
          target: '',
          cookie: '',
        }),
      )
    : [];
  return { legs, closures };
}

function legObject(
  port: SteeredPort,
  { direction, from, to, counter }: Leg,
  packets: SteeredPackets,
  identity: string,
  next: string | undefined,
): DriverObject<SteeringSpec> {
  const device = from ?? entryOf(port, direction);
  const target = to ?? (direction === 'forward' ? port.veth : port.representor);
  const program = steeringProgram(packets, direction, 'redirect');
  const kind = from === undefined ? 'steering' : 'hopexit';
  const spec = { program, target, cookie: cookieOfCounter(counter) };
  return filter(kind, device, `${identity} ${direction}`, spec, next);
}

/** Where packets of a direction come from that have met no hop yet. */
const entryOf = ({ representor, veth }: SteeredPort, direction: HopDirection): string =>
  direction === 'forward' ? representor : veth;

function filter(
  kind: SteeringSpec['kind'],
  device: string,
  identity: string,
  spec: Omit<SteeringSpec, 'kind' | 'device'>,
  after?: string,
): DriverObject<SteeringSpec> {
  const handle = Number.parseInt(digest('sha256', identity, 'hex').slice(0, 8), 16) >>> 1 || 1;
  const { target } = spec;
  const isVeth = peerOfVeth(device) !== undefined;
  return {
    key: steeringKey(device, STEERING_PRIORITIES[kind], handle),
    spec: { kind, device, ...spec },
    after: after === undefined ? [] : [after],
    requires: [linkKey(device), ...(target === '' ? [] : [linkKey(target)])],
    ...(isVeth && { within: linkKey(device) }),
  };
}
