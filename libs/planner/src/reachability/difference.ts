import type { IpFamily, Name } from '@outboard/model';
import type { Command } from '../api.js';
import type { DryRun } from '../decide/decide.js';
import type { NetworkEntry, PortEntry } from '../entries.js';
import type { World } from '../world.js';
import { changeOf } from './change.js';
import type { PortClass } from './classes.js';
import { type Outcome, Outcomes } from './outcomes.js';
import { MAX_NAMES, type Part, Parts } from './parts.js';
import type { Region } from './regions.js';
import { routeFlows } from './route-flows.js';
import type { ServiceRange } from './services.js';

/** Ports that are alike: a few of their names, and how many there are. */
export interface PortNames {
  readonly network: Name;
  readonly names: readonly Name[];
  readonly total: number;
}

/** Flows from ports of one sort, to those of another or to a destination of a router, that begin or stop to be possible. */
export interface FlowChange {
  readonly change: 'BEGINS' | 'STOPS';
  readonly family: IpFamily;
  readonly from: PortNames;
  /** Ports, or where a router sends what is for others than ports; not what has a longer prefix there. */
  readonly to: PortNames | Region;
  readonly services: readonly ServiceRange[];
}

export interface ReachabilityDifference {
  /** At most `MAX_LISTED`. */
  readonly flows: readonly FlowChange[];
  readonly total: number;
}

const MAX_LISTED = 100;

/**
 * Which flows between ports begin and stop to be possible by a command, of which `planned` is the outcome; undefined for
 * a kind that opens and closes nothing. Classes of ports are compared, and of those only what the command touches.
 */
export function differenceOf(
  world: World,
  command: Command,
  { decision, tables, closures }: Pick<DryRun, 'decision' | 'tables' | 'closures'>,
): ReachabilityDifference | undefined {
  const change = changeOf(world, command.operation === 'delete', decision, closures);
  if (!change) return undefined;
  const outcomes = new Outcomes(change.sets);
  const parts = new Parts(world, change);
  const affected = new Affected(world, parts, outcomes);
  const flows: FlowChange[] = [];
  let total = 0;
  const tell = (from: Part, to: Part, found: readonly Outcome[]): void => {
    for (const outcome of found) {
      if (++total <= MAX_LISTED) flows.push({ ...outcome, from: portsOf(from), to: portsOf(to) });
    }
  };
  for (const network of change.networks) {
    for (const part of parts.touchedIn(network)) {
      for (const reached of reachedFrom(network)) {
        for (const other of affected.by(part, reached)) {
          if (part === other && part.total < 2) continue;
          const { forth, back } = outcomes.between(part, other);
          tell(part, other, forth);
          if (!other.isTouched) tell(other, part, back);
        }
      }
    }
  }
  for (const { network, ports, to, ...outcome } of routeFlows(world, tables, closures, change.reclosed)) {
    if (++total <= MAX_LISTED) flows.push({ ...outcome, from: namesOf(network, ports), to });
  }
  return { flows, total };
}

/**
 * Parts to and from which a change of another part opens or closes anything. Which classes these are is found once for
 * each sort of ports, in however many networks it is: in most there is nothing to look for.
 */
class Affected {
  /** By the scope of networks, and in it the sort of the part. */
  readonly #keys = new Map<string, Map<string, readonly string[]>>();

  constructor(
    private readonly world: World,
    private readonly parts: Parts,
    private readonly outcomes: Outcomes,
  ) {}

  *by(part: Part, network: NetworkEntry): Generator<Part> {
    yield* this.parts.markedIn(network);
    const { classes } = this.world.policies;
    for (const key of this.#keysFor(part, network)) {
      const own = classes.find(network, key);
      const rest = own && this.parts.restOf(own);
      if (rest) yield rest;
    }
  }

  #keysFor(part: Part, network: NetworkEntry): readonly string[] {
    const scope = this.parts.scopeOf(network);
    const ofScope = this.#keys.get(scope) ?? new Map<string, readonly string[]>();
    this.#keys.set(scope, ofScope);
    const known = ofScope.get(part.sort);
    if (known) return known;
    const { classes } = this.world.policies;
    const { tenant } = network.record.resource.metadata;
    const alike =
      scope === ''
        ? [...classes.ofTenant(tenant)]
        : [...classes.in(network)].map((own): readonly [string, readonly PortClass[]] => [own.key, [own]]);
    const keys = alike.flatMap(([key, ofKey]) => (this.#isAffected(part, ofKey) ? [key] : []));
    ofScope.set(part.sort, keys);
    return keys;
  }

  /** Whether anything begins or stops between the part and classes that are alike. */
  #isAffected(part: Part, alike: Iterable<PortClass>): boolean {
    for (const own of alike) {
      const rest = this.parts.restOf(own);
      if (!rest) continue;
      const { forth, back } = this.outcomes.between(part, rest);
      return forth.length + back.length > 0;
    }
    return false;
  }
}

/** The networks whose ports a network's ports reach: itself, and what its router joins it with. */
function reachedFrom(network: NetworkEntry): readonly NetworkEntry[] {
  if (!network.gateway) return [network];
  return [...network.router.networks].filter(({ gateway }) => gateway !== undefined);
}

const portsOf = (part: Part): PortNames => namesOf(part.network, part.ports(), part.total);

const namesOf = (
  network: NetworkEntry,
  ports: readonly (PortEntry | Name)[],
  total = ports.length,
): PortNames => ({
  network: network.record.resource.metadata.name,
  names: ports
    .slice(0, MAX_NAMES)
    .map((port) => (typeof port === 'string' ? port : port.record.resource.metadata.name)),
  total,
});
