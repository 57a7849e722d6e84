import { type DeltaTracker, type Queued, satisfies, Tracked } from '@outboard/reconcile';
import type { ObjectProblem, Source } from '../document.js';
import type { DriverObject, ObservedObject, Ownership, Scope, Spec } from '../driver.js';

/** Somebody waits for urgent work (a port is attached); bulk work (a whole document) is told about when it is over. */
export type Urgency = 'urgent' | 'bulk';

export interface Issue {
  readonly state: ObjectProblem['state'];
  readonly message: string;
}

/** Work that is under way, and on whose behalf: noted on the thing itself, for there are as many as there are things. */
export interface Task {
  /** Changed by `Progress` alone; undefined: nothing is under way. */
  urgency: Urgency | undefined;
  /** When it began, in a count of `Progress`. */
  round: number;
  /** The records as they were when it was noted. */
  openFor: readonly NeutralRecord<Spec>[];
}

/** One entry of an owner's document, and what it became. */
export class NeutralRecord<S extends Spec> implements Task, Queued {
  objects: readonly DriverObject<S>[] = [];
  /** Neutral keys on which the realisation depends. */
  references: readonly string[] = [];
  /** Why it has no objects; undefined if it has. */
  blocked: Issue | undefined = undefined;
  /** It has to be realised (again). */
  stale = false;
  urgency: Urgency | undefined = undefined;
  round = 0;
  openFor: readonly NeutralRecord<Spec>[] = [];
  lane = -1;
  #alone: readonly NeutralRecord<S>[] | undefined;

  constructor(
    readonly owner: string,
    readonly key: string,
    /** Undefined: not in the document any more. */
    readonly bytes: Uint8Array | undefined,
    readonly source: Source,
  ) {}

  /** This record and no other: most objects are wanted by one. */
  get alone(): readonly NeutralRecord<S>[] {
    this.#alone ??= [this];
    return this.#alone;
  }
}

/**
 * Where the work on a driver object stands. `inHand`: a pass is working on it; `applied`: and will read it back before it
 * ends. `unverified`: applied, to be read back with many others. `verifying`: that is under way.
 */
export type Stage = 'idle' | 'inHand' | 'applied' | 'unverified' | 'verifying';

/** A driver object: wanted, observed, and what is being done about the difference. */
export class Entry<S extends Spec>
  extends Tracked<DriverObject<S>, ObservedObject<S>>
  implements Task, Queued
{
  /** Who wants it, in the order of owner and key: the first decides what it is like. Replaced, never changed. */
  claims: readonly NeutralRecord<S>[] = NOBODY;
  /** What `wanted` is instead of, as long as that is closed. Changed by `Closures` alone. */
  open: DriverObject<S> | undefined = undefined;
  /** Not done, because something else of its step failed: it is tried again with that. */
  isHeld = false;
  urgency: Urgency | undefined = undefined;
  round = 0;
  openFor: readonly NeutralRecord<Spec>[] = NOBODY;
  lane = -1;
  stage: Stage = 'idle';
  /** The turn in which a pass worked on it last. */
  turn = 0;
  /** The last look at everything that found it. */
  look = 0;
}

export const NOBODY: readonly never[] = [];

/** Calls back with all that an object cannot be without. */
export function eachNeed<S extends Spec>(
  { after, requires, within }: DriverObject<S>,
  callback: (key: string) => void,
): void {
  for (const key of after) callback(key);
  if (requires !== undefined) for (const key of requires) callback(key);
  if (within !== undefined) callback(within);
}

/** To look at these, of which each should be as it is wanted. */
export const asExpected = <S extends Spec>(entries: readonly Entry<S>[]): Scope<S> => ({
  kind: 'keys',
  keys: entries.map(({ key }) => key),
  expected: entries.map(({ wanted }) => wanted),
});

export const OWNED: Ownership = { kind: 'owned' };

/** Most of what is there is as it is wanted: of the two descriptions one is kept. There are many. */
export function asWanted<S extends Spec>(
  wanted: DriverObject<S>,
  observed: ObservedObject<S>,
): ObservedObject<S> {
  const { ownership, within, inHardware } = observed;
  if (observed.spec === wanted.spec || !satisfies(observed.spec, wanted.spec)) return observed;
  const { key, spec } = wanted;
  const owned = ownership.kind === 'owned' && ownership.owner === undefined ? OWNED : ownership;
  return {
    key,
    spec,
    ownership: owned,
    ...(within !== undefined && { within: within === wanted.within ? wanted.within : within }),
    ...(inHardware && { inHardware }),
  };
}

/** All driver objects that are wanted or observed. */
export type Tracker<S extends Spec> = DeltaTracker<DriverObject<S>, ObservedObject<S>, Entry<S>>;

/** Whether two specs say the same. */
export const sameSpec = (one: Spec, other: Spec): boolean => satisfies(one, other) && satisfies(other, one);

/** Whether both show the same, of the same owner, both in hardware or neither. */
export function sameObservation<S extends Spec>(
  one: ObservedObject<S> | undefined,
  other: ObservedObject<S> | undefined,
): boolean {
  if (one === undefined || other === undefined) return one === other;
  if (one.inHardware !== other.inHardware) return false;
  return sameOwnership(one.ownership, other.ownership) && sameSpec(one.spec, other.spec);
}

const sameOwnership = (one: Ownership, other: Ownership): boolean =>
  one.kind === other.kind && (one.kind !== 'owned' || other.kind !== 'owned' || one.owner === other.owner);
