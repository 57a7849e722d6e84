import type { ObjectProblem, Source } from './document.js';
import type { NetlinkAttributes } from './driver.js';

/**
 * `WANTED`: under way. `APPLIED`: read back as it is wanted. `LEFTOVER`: ours, wanted no more, not removed yet.
 * The others as of problems.
 */
export type InspectedState = 'WANTED' | 'APPLIED' | 'LEFTOVER' | ObjectProblem['state'];

/** A neutral object that wants it. */
export interface Claim {
  readonly owner: string;
  readonly key: string;
  readonly source: Source;
}

/** Whether hardware has taken an object over, and why not. */
export interface OffloadState {
  readonly state: 'HARDWARE' | 'SOFTWARE';
  readonly reason: string;
}

/** An object of the dataplane, wanted or left over. */
export interface InspectedObject {
  readonly key: string;
  readonly type: string;
  readonly state: InspectedState;
  readonly message: string;
  readonly wanted?: NetlinkAttributes;
  readonly observed?: NetlinkAttributes;
  /** Of what is there and decides where packets go. */
  readonly offload?: OffloadState;
  /** All of them; the first decides what it is like. */
  readonly claims: readonly Claim[];
}

/** At most `limit` objects in the order of their keys, from the first after `after` on. */
export interface InspectQuery {
  /** As the driver names it; empty: all. */
  readonly type: string;
  readonly after: string;
  readonly limit: number;
  matches(object: Pick<InspectedObject, 'state' | 'claims'>): boolean;
}

export interface InspectPage {
  readonly objects: readonly InspectedObject[];
  /** There are more after the last of these. */
  readonly more: boolean;
}
