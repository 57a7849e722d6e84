import { type Direction, type IpAddress, type IpFamily, ipFamily, type Labels } from '@outboard/model';
import type { Change } from './change.js';
import { isClosed } from './closures.js';
import { type AddressSets, allowedBy, slicesOf } from './evaluate.js';
import type { Part, Side } from './parts.js';
import {
  both,
  EVERYTHING,
  NOTHING,
  rangesOf,
  type ServiceRange,
  type Services,
  without,
} from './services.js';

export const FAMILIES = [4, 6] as const;

/** What begins or stops between two sorts of ports. */
export type Outcome = {
  readonly change: 'BEGINS' | 'STOPS';
  readonly family: IpFamily;
  readonly services: readonly ServiceRange[];
};

/** From one sort of ports to another, and back. */
export interface Exchange {
  readonly forth: readonly Outcome[];
  readonly back: readonly Outcome[];
}

/** What a change does between sorts of ports: worked out once for each two, in however many networks they are. */
export class Outcomes {
  readonly #known = new Map<string, Map<string, Exchange>>();

  constructor(private readonly sets: Change['sets']) {}

  between(part: Part, other: Part): Exchange {
    const ofPart = this.#known.get(part.sort) ?? new Map<string, Exchange>();
    this.#known.set(part.sort, ofPart);
    const known = ofPart.get(other.sort);
    if (known) return known;
    const exchange = { forth: this.#from(part, other), back: this.#from(other, part) };
    ofPart.set(other.sort, exchange);
    return exchange;
  }

  #from(from: Part, to: Part): readonly Outcome[] {
    const [sender, receiver] = [from.sides(), to.sides()];
    return FAMILIES.flatMap((family) => this.#between(sender, receiver, family));
  }

  #between(
    from: ReturnType<Part['sides']>,
    to: ReturnType<Part['sides']>,
    family: IpFamily,
  ): readonly Outcome[] {
    const before = permitted(from.before, to.before, family, this.sets.before);
    const after = permitted(from.after, to.after, family, this.sets.after);
    return changesOf(before, after, family);
  }
}

/** What one may open and the other accepts. */
function permitted(from: Side, to: Side, family: IpFamily, sets: AddressSets): Services {
  const source = from?.identity.addresses.find((ip) => ipFamily(ip) === family);
  const destination = to?.identity.addresses.find((ip) => ipFamily(ip) === family);
  if (!from || !to || !source || !destination) return NOTHING;
  if (isClosed(from.closed, destination) || isClosed(to.closed, source)) return NOTHING;
  const { namedPorts } = to.identity;
  const allowed = (side: NonNullable<Side>, direction: Direction, address: IpAddress, labels: Labels) =>
    side.policies.length === 0
      ? EVERYTHING
      : allowedBy(slicesOf(side.policies, direction, { address, labels }, namedPorts, sets));
  const opened = allowed(from, 'EGRESS', destination, to.identity.labels);
  return opened.length === 0 ? NOTHING : both(opened, allowed(to, 'INGRESS', source, from.identity.labels));
}

/** What begins and what stops to be possible. */
export function changesOf(before: Services, after: Services, family: IpFamily): readonly Outcome[] {
  const outcome = (change: Outcome['change'], services: Services): Outcome[] =>
    services.length === 0 ? [] : [{ change, family, services: rangesOf(services, family) }];
  return [...outcome('BEGINS', without(after, before)), ...outcome('STOPS', without(before, after))];
}
