import type { LaneName } from '../engine/algorithms.js';
import type { BreakerChange } from '../engine/engine-unit.js';
import type { FaultOffer } from '../engine/fault.js';
import type { KeyOffer } from '../keys/thread-keys.js';
import type { SessionGrant } from '../lane/grant.js';
import type { ThreadActivity } from '../lane/thread-activity.js';

/** What a thread of the data path begins with. */
export interface LaneThreadData {
  readonly lane: LaneName;
  /** eventfd: readable when there is a message, as the thread waits for descriptors and for nothing else. */
  readonly wake: number;
}

/** To a thread. Each is answered under its id. */
export type LaneRequest = { readonly id: number } & (
  | { readonly kind: 'grant'; readonly grant: SessionGrant; readonly path: string }
  | { readonly kind: 'revoke'; readonly sessionUid: string }
  | { readonly kind: 'offer'; readonly offer: KeyOffer }
  | { readonly kind: 'faults'; readonly faults: readonly FaultOffer[] }
  /** Until when sessions may be served: milliseconds of CLOCK_MONOTONIC, which all threads share. */
  | { readonly kind: 'lease'; readonly end: number }
  | { readonly kind: 'activity' }
  | { readonly kind: 'stop' }
);

/** From a thread. */
export type LaneAnswer =
  | { readonly kind: 'done'; readonly id: number; readonly activity?: ThreadActivity }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'breaker'; readonly change: BreakerChange }
  | { readonly kind: 'refill'; readonly keyUid: string; readonly version: number };
