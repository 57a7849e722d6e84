import type { IpAddress, Labels, Name, NamedPort, Port, SecurityPolicy } from '@outboard/model';
import type { NetworkEntry, PortEntry } from '../entries.js';
import type { Destination } from '../service-chains/destination.js';
import type { World } from '../world.js';
import { type Change, type ChangedPort, policiesOf, policiesOfChanged } from './change.js';
import { isUp, type PortClass } from './classes.js';
import { closedOf } from './closures.js';
import { Dividing, ITSELF, type Marks } from './dividing.js';

/** Ports of a part that are named. */
export const MAX_NAMES = 5;

/** What others may know a port by. */
interface Identity {
  readonly labels: Labels;
  readonly namedPorts: readonly NamedPort[];
  readonly addresses: readonly IpAddress[];
}

/** A port, or what stands for many, at one time; undefined: nothing that could be reached. */
export type Side =
  | {
      readonly policies: readonly SecurityPolicy[];
      readonly identity: Identity;
      /** What service chains keep it from. */
      readonly closed: readonly Destination[];
    }
  | undefined;

/** Ports that are alike before and after a change. */
export interface Part {
  readonly network: NetworkEntry;
  /** Equal for parts, of whatever networks, that rules cannot tell apart. */
  readonly sort: string;
  readonly total: number;
  /** The first of them at least; one that does not exist yet by its name. */
  ports(): readonly (PortEntry | Name)[];
  /** It may be another side afterwards. */
  readonly isTouched: boolean;
  sides(): { readonly before: Side; readonly after: Side };
}

/** Ports of networks in parts: as few as tell apart all that rules and a change tell apart. Made when they are asked for. */
export class Parts {
  readonly #dividing: Dividing;
  /** Classes whose ports may be other sides afterwards. */
  readonly #touched = new Map<NetworkEntry, PortClass[]>();
  readonly #marks = new Map<NetworkEntry, Marks>();
  readonly #marked = new Map<NetworkEntry, readonly Part[]>();
  readonly #rest = new Map<PortClass, Part | undefined>();

  constructor(
    private readonly world: World,
    private readonly change: Change,
  ) {
    this.#dividing = new Dividing(world, change);
    for (const own of this.#dividing.touched) {
      const ofNetwork = this.#touched.get(own.network) ?? [];
      this.#touched.set(own.network, ofNetwork);
      ofNetwork.push(own);
    }
  }

  /** What makes a network's sorts its own: where rules have prefixes, networks are not alike. */
  scopeOf(network: NetworkEntry): string {
    return this.#dividing.sortsIn(network);
  }

  /** Parts of a network whose ports may be other sides afterwards. */
  touchedIn(network: NetworkEntry): readonly Part[] {
    const classes = this.#touched.get(network) ?? [];
    const rest = classes.flatMap((own) => this.restOf(own) ?? []);
    return [...this.markedIn(network).filter(({ isTouched }) => isTouched), ...rest];
  }

  /** Parts of a network that are less than a class: what is told apart from the rest of it, and what is itself changed. */
  markedIn(network: NetworkEntry): readonly Part[] {
    const known = this.#marked.get(network) ?? this.#markedIn(network);
    this.#marked.set(network, known);
    return known;
  }

  #markedIn(network: NetworkEntry): readonly Part[] {
    const scope = this.scopeOf(network);
    const parts: Part[] = [];
    for (const [own, marked] of this.#marksIn(network)) {
      for (const [mark, ports] of marked) {
        // What is itself changed is a part of its own.
        if (mark === ITSELF) continue;
        const isTouched = this.change.touched.has(firstOf(ports));
        const sort = `${scope}${own.key} ${mark}`;
        parts.push(
          new PartOfClass(network, sort, ports.length, isTouched, this.change, own, ports, undefined),
        );
      }
    }
    const changed = this.change.ports.filter((port) => port.network === network);
    return [...parts, ...changed.map((port) => partOfChanged(this.world, port, this.change.closures))];
  }

  /** What is left of a class; undefined: nothing. */
  restOf(own: PortClass): Part | undefined {
    if (this.#rest.has(own)) return this.#rest.get(own);
    const marked = this.#marksIn(own.network).get(own);
    let total = own.ports.size;
    for (const ports of marked?.values() ?? []) total -= ports.length;
    const sort = this.scopeOf(own.network) + own.key;
    const isTouched = this.#dividing.touched.has(own);
    const part =
      total === 0
        ? undefined
        : new PartOfClass(own.network, sort, total, isTouched, this.change, own, undefined, marked);
    this.#rest.set(own, part);
    return part;
  }

  #marksIn(network: NetworkEntry): Marks {
    const known = this.#marks.get(network) ?? this.#dividing.marksIn(network);
    this.#marks.set(network, known);
    return known;
  }
}

/** One of ports that are alike; a class has at least one. */
function firstOf(ports: Iterable<PortEntry>): PortEntry {
  for (const port of ports) return port;
  throw new Error('a class has ports');
}

/** The first ports that are not marked: enough to stand for all. */
function unmarked(
  { ports }: PortClass,
  marked: ReadonlyMap<string, readonly PortEntry[]> | undefined,
): PortEntry[] {
  const left = new Set(marked && [...marked.values()].flat());
  const found: PortEntry[] = [];
  for (const port of ports) {
    if (found.length === MAX_NAMES) break;
    if (!left.has(port)) found.push(port);
  }
  return found;
}

/**
 * Ports of a class: some that are marked alike, or all that are not marked. Tens of thousands are made for one question,
 * and ports are looked at only where the outcome for their sort is not known yet, or is told.
 */
class PartOfClass implements Part {
  #sides: ReturnType<Part['sides']> | undefined;

  constructor(
    readonly network: NetworkEntry,
    readonly sort: string,
    readonly total: number,
    readonly isTouched: boolean,
    private readonly change: Change,
    private readonly own: PortClass,
    private readonly some: readonly PortEntry[] | undefined,
    private readonly marked: ReadonlyMap<string, readonly PortEntry[]> | undefined,
  ) {}

  ports(): readonly PortEntry[] {
    return this.some ?? unmarked(this.own, this.marked);
  }

  sides(): ReturnType<Part['sides']> {
    this.#sides ??= this.#look();
    return this.#sides;
  }

  #look(): ReturnType<Part['sides']> {
    const port = firstOf(this.ports());
    if (!isUp(port)) return { before: undefined, after: undefined };
    const { resource } = port.record;
    const { closures } = this.change;
    const { name } = resource.metadata;
    const identity = identityOf(resource);
    const before = { policies: policiesOf(port), identity, closed: closedOf(closures.before, name) };
    if (!this.isTouched) return { before, after: before };
    const after = {
      policies: this.change.policiesAfter(port),
      identity,
      closed: closedOf(closures.after, name),
    };
    return { before, after };
  }
}

/** A port that is itself changed, which nothing else is like. */
function partOfChanged(
  world: World,
  { network, before, after }: ChangedPort,
  closures: Change['closures'],
): Part {
  const name = (after ?? before?.record.resource)?.metadata.name;
  const closed = (which: keyof typeof closures) => (name ? closedOf(closures[which], name) : []);
  const former: Side =
    before && isUp(before)
      ? {
          policies: policiesOf(before),
          identity: identityOf(before.record.resource),
          closed: closed('before'),
        }
      : undefined;
  const isOpen = after?.status.dpu !== undefined && after.spec.adminState === 'UP';
  const latter: Side =
    after && isOpen
      ? { policies: policiesOfChanged(world, after), identity: identityOf(after), closed: closed('after') }
      : undefined;
  const sides = () => ({ before: former, after: latter });
  const ports = () => (name ? [name] : []);
  return { network, sort: `${ITSELF} ${name}`, total: 1, isTouched: true, ports, sides };
}

const identityOf = ({ metadata, spec, status }: Port): Identity => ({
  labels: metadata.labels,
  namedPorts: spec.namedPorts,
  addresses: status.addresses.map(({ ip }) => ip),
});
