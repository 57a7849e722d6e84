import { type Direction, findCondition, type IpAddress, type Name } from '@outboard/model';
import type { Placement, PortEntry } from '../entries.js';
import { isUp } from './classes.js';
import type { Decider, Slice } from './evaluate.js';
import type { DecidedBy, Explanation, Hop, Verdict, VerdictReason } from './explanation.js';

/** The path of a packet as far as it was followed: the explanation in the making. */
export class Path {
  source: IpAddress | undefined;
  destination: IpAddress | undefined;
  readonly #path: Hop[] = [];
  readonly #decidedBy: DecidedBy[] = [];
  readonly #ports = new Set<PortEntry>();

  readonly #from: PortEntry;

  constructor(from: PortEntry) {
    this.#from = from;
    this.#ports.add(from);
  }

  /** The same so far, to go on by one of several ways. */
  fork(): Path {
    const fork = new Path(this.#from);
    fork.source = this.source;
    fork.destination = this.destination;
    fork.#path.push(...this.#path);
    fork.#decidedBy.push(...this.#decidedBy);
    for (const port of this.#ports) fork.#ports.add(port);
    return fork;
  }

  hop(kind: Hop['kind'], dpu: Name | undefined, name: string, detail: string): void {
    this.#path.push({ kind, name, dpu, detail });
  }

  /** The port's place, if it is connected and up. */
  open(port: PortEntry, detail: string): Placement | undefined {
    this.#ports.add(port);
    this.hop('port', port.placement?.dpu.record.name, nameOf(port), detail);
    return isUp(port) ? port.placement : undefined;
  }

  closed(port: PortEntry): Explanation {
    if (!port.placement) return this.unreachable('NotConnected', `${nameOf(port)} is connected to nothing`);
    return this.unreachable('AdminDown', `${nameOf(port)} is administratively down`);
  }

  /** Notes what has decided. True: it allows. */
  decided(direction: Direction, { isAllowed, by }: Slice): boolean {
    if (by.kind !== 'none') this.#decidedBy.push(decidedBy(direction, by));
    return isAllowed;
  }

  allowed(message = ''): Explanation {
    const reason = this.#decidedBy.length > 0 ? 'RuleAllows' : 'NoPolicyApplies';
    return this.#end('ALLOWED', reason, message);
  }

  /** Out of what is known here. */
  leaves(message: string): Explanation {
    return this.#end('ALLOWED', 'LeavesRouter', message);
  }

  deniedBy(port: PortEntry, direction: Direction, { by }: Slice): Explanation {
    const side = direction === 'EGRESS' ? 'opens' : 'accepts';
    if (by.kind === 'rule') {
      const message = `rule ${by.rule} of ${by.policy.metadata.name} decides what ${nameOf(port)} ${side}`;
      return this.denied('RuleDenies', message, port);
    }
    const policy = by.kind === 'isolation' ? by.policy.metadata.name : '';
    return this.denied(
      'Isolated',
      `${policy} isolates ${nameOf(port)}: it ${side} what is allowed only`,
      port,
    );
  }

  denied(reason: VerdictReason, message: string, port: PortEntry | undefined): Explanation {
    if (port) this.#ports.add(port);
    return this.#end('DENIED', reason, message);
  }

  unreachable(reason: VerdictReason, message: string): Explanation {
    return this.#end('UNREACHABLE', reason, message);
  }

  #end(verdict: Verdict, reason: VerdictReason, message: string): Explanation {
    const { source, destination } = this;
    const notReady = [...this.#ports].filter((port) => !isReady(port)).map(plainName);
    return {
      verdict,
      reason,
      message,
      source,
      destination,
      decidedBy: this.#decidedBy,
      path: this.#path,
      nextHops: [],
      notReady,
    };
  }
}

function decidedBy(direction: Direction, by: Exclude<Decider, { kind: 'none' }>): DecidedBy {
  const { metadata, spec } = by.policy;
  const rule = by.kind === 'rule' ? by.rule : undefined;
  return { direction, policy: metadata.name, tier: spec.tier, rule };
}

const isReady = ({ record }: PortEntry): boolean =>
  findCondition(record.resource.status.conditions, 'Ready')?.status === 'True';

const plainName = ({ record }: PortEntry): Name => record.resource.metadata.name;
/** A port as messages call it. */
export const nameOf = (port: PortEntry): string => `port ${plainName(port)}`;
