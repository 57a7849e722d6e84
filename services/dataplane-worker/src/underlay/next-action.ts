import { type Configuration, isSameVersion, releaseOf } from './configuration.js';
import type { NetworkState, Refusal } from './network-state.js';

/** What is wanted of the network of this DPU, as its owner says. */
export type Wish =
  /** Nothing was heard yet, or the owner does not know this DPU: what is in force stays. */
  | { readonly kind: 'unknown' }
  /** The owner wants nothing of it. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'configuration'; readonly configuration: Configuration };

export type NextAction =
  /** What is in force is kept so. */
  | { readonly kind: 'keep' }
  /** The same, as what is wanted did not hold. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'change'; readonly configuration: Configuration };

/** What comes next when no change is under way. */
export function nextAction({ confirmed, refused }: NetworkState, wish: Wish): NextAction {
  const configuration =
    wish.kind === 'configuration'
      ? wish.configuration
      : wish.kind === 'nothing' && confirmed !== undefined
        ? releaseOf(confirmed)
        : undefined;
  if (configuration === undefined || isSameVersion(configuration, confirmed)) return { kind: 'keep' };
  if (refused !== undefined && isSameVersion(configuration, refused))
    return { kind: 'refused', refusal: refused };
  return { kind: 'change', configuration };
}
