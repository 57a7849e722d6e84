import { libc, type NetworkNamespace, readyNow, SystemError, watchReadable } from '@outboard/ffi';
import { Channel } from './channel.js';
import { DecodeError } from './codec/errors.js';
import type { MessageFamily, OutputOf, ProtocolName } from './codec/family.js';
import { FAMILIES } from './families/all.js';
import type { Link } from './families/link.js';
import { AF } from './families/route.js';
import { routeEchoFilter } from './route-echo-filter.js';
import type { NetlinkSocket } from './socket.js';

/** Multicast groups by protocol (linux/rtnetlink.h, linux/netfilter/nfnetlink.h). FDB entries come with `neigh`. */
export const MULTICAST_GROUPS = {
  route: {
    link: 1,
    neigh: 3,
    tc: 4,
    ipv4Ifaddr: 5,
    ipv4Route: 7,
    ipv4Rule: 8,
    ipv6Ifaddr: 9,
    ipv6Route: 11,
    ipv6Rule: 19,
    nsid: 28,
    nexthop: 32,
  },
  netfilter: { nftables: 7 },
} as const;

type FamilyName = keyof typeof FAMILIES;

/** What changed: the object as the kernel shows it, and whether it is there now (`new`, also for changes) or gone. */
export type NetlinkEvent =
  | {
      [Name in FamilyName]: {
        readonly family: Name;
        readonly operation: 'new' | 'delete';
        readonly value: OutputOf<(typeof FAMILIES)[Name]>;
      };
    }[FamilyName]
  /**
   * A device as a port of its bridge. The kernel says this with link messages of family AF_BRIDGE, among which
   * `delete` means that the device left the bridge: taken for a link event it would bury a living device.
   */
  | { readonly family: 'bridgePort'; readonly operation: 'new' | 'delete'; readonly value: Link };

type Group<P extends ProtocolName> = keyof (typeof MULTICAST_GROUPS)[P];

export interface MonitorOptions<P extends ProtocolName = 'route'> {
  readonly protocol?: P;
  readonly groups: readonly Group<P>[];
  readonly namespace?: NetworkNamespace;
  /** The events of one turn, in order, at most 512. Must not throw. */
  readonly onEvents: (events: readonly NetlinkEvent[]) => void;
  /** Events were lost (ENOBUFS) or could not be read: what was known is worth nothing, observe anew. */
  readonly onOverrun: (cause: Error) => void;
  /**
   * What this socket does to routes is not told: whoever writes a hundred thousand of them and reads them back
   * afterwards has no use for a hundred thousand events.
   */
  readonly exceptRoutesOf?: NetlinkSocket;
  /** What is read of links, as of `link.reading`; default: everything. */
  readonly links?: MessageFamily<Link>;
  /** How much the kernel may queue for us before it drops; default 4 MiB. */
  readonly receiveBufferBytes?: number;
}

const DATAGRAMS_PER_TURN = 512;
const DEFAULT_RECEIVE_BUFFER_BYTES = 4 << 20;

/** Kernel events of one namespace. All monitors of a process share one waiting thread. Keeps the process alive. */
export class NetlinkMonitor implements Disposable {
  readonly #channel: Channel;
  readonly #watch: Disposable;
  #closed = false;

  private constructor(
    channel: Channel,
    private readonly onEvents: (events: readonly NetlinkEvent[]) => void,
    private readonly onOverrun: (cause: Error) => void,
    private readonly types: ReadonlyMap<number, EventType>,
    private readonly links: MessageFamily<Link>,
  ) {
    this.#channel = channel;
    this.#watch = watchReadable(channel.descriptor, () => this.#drain());
  }

  /** Subscribed when it returns: what changes afterwards is told. Observe after opening, not before. */
  static open<P extends ProtocolName = 'route'>(options: MonitorOptions<P>): NetlinkMonitor {
    const protocol = options.protocol ?? 'route';
    const numbers: Record<string, number> = MULTICAST_GROUPS[protocol];
    const channel = new Channel({
      protocol,
      namespace: options.namespace,
      receiveBufferBytes: options.receiveBufferBytes ?? DEFAULT_RECEIVE_BUFFER_BYTES,
      groups: options.groups.map((group) => numbers[group as string] ?? 0),
    });
    const { exceptRoutesOf } = options;
    if (exceptRoutesOf !== undefined)
      libc.attachFilter(channel.descriptor, routeEchoFilter(exceptRoutesOf.portIds));
    const { onEvents, onOverrun, links = FAMILIES.link } = options;
    return new NetlinkMonitor(channel, onEvents, onOverrun, EVENT_TYPES[protocol], links);
  }

  /**
   * Delivers at once whatever happened until now, instead of with the coming turns of the event loop: whoever looks at
   * an object afterwards knows that events still to come are about something later.
   */
  drain(): void {
    while (!this.#closed && this.#drain()) {}
  }

  /** `drain` of many, which costs little where nothing has happened. */
  static drainAll(monitors: readonly NetlinkMonitor[]): void {
    const ready = readyNow();
    for (const monitor of monitors)
      if (ready === undefined || ready.has(monitor.#channel.descriptor)) monitor.drain();
  }

  /** Stops; nothing is called afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch[Symbol.dispose]();
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Delivers the next events; true if there may be more. */
  #drain(): boolean {
    const events: NetlinkEvent[] = [];
    let overrun: Error | undefined;
    let more = true;
    for (let count = 0; more && count < DATAGRAMS_PER_TURN; count++) {
      try {
        more = this.#channel.receive((type, _flags, _sequence, source, offset, end) => {
          const known = this.types.get(type);
          if (known === undefined) return;
          const isLink = known.family === 'link';
          const value = (isLink ? this.links : FAMILIES[known.family]).read(source, offset, end);
          const ofBridge = isLink && (value as Link).ifiFamily === AF.BRIDGE;
          const family = ofBridge ? 'bridgePort' : known.family;
          events.push({ family, operation: known.operation, value } as NetlinkEvent);
        });
      } catch (failure) {
        const lost = failure instanceof SystemError && failure.code === 'ENOBUFS';
        if (!lost && !(failure instanceof DecodeError)) throw failure;
        overrun = failure;
      }
    }
    if (events.length > 0) this.onEvents(events);
    if (overrun !== undefined && !this.#closed) this.onOverrun(overrun);
    return more;
  }
}

interface EventType {
  readonly family: FamilyName;
  readonly operation: 'new' | 'delete';
}

function eventTypes(protocol: ProtocolName): ReadonlyMap<number, EventType> {
  const types = new Map<number, EventType>();
  for (const [name, family] of Object.entries(FAMILIES)) {
    if (family.protocol !== protocol) continue;
    types.set(family.newType, { family: name as FamilyName, operation: 'new' });
    types.set(family.deleteType, { family: name as FamilyName, operation: 'delete' });
  }
  return types;
}

const EVENT_TYPES = { route: eventTypes('route'), netfilter: eventTypes('netfilter') };
