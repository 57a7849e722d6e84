import { AppError } from '@outboard/core';
import type { Driver, NetlinkAttributes, ObservedObject, Spec } from '../driver.js';
import type { InspectedObject, InspectedState, InspectPage, InspectQuery, OffloadState } from '../inspect.js';
import { HARDWARE_OFFLOAD } from '../realise/offload.js';
import type { Entry, Issue } from './entry.js';
import { NOT_OFFLOADED } from './offloads.js';

/** A look at one object, as far as a query needs it before it is chosen. */
interface Candidate<S extends Spec> {
  readonly entry: Entry<S>;
  readonly state: InspectedState;
  readonly message: string;
}

/** Objects that are kept while the first ones of a page are looked for, in pages. */
const KEPT_PAGES = 4;

/**
 * The page of a query: one pass over all entries, in whatever order they are, that keeps the least keys it meets.
 * Throws AppError INVALID_ARGUMENT for a type that the driver does not have.
 */
export function inspectEntries<S extends Spec>(
  entries: Iterable<Entry<S>>,
  driver: Pick<Driver<S>, 'order' | 'view' | 'capabilities'>,
  issueOf: (key: string) => Issue | undefined,
  { type, after, limit, matches }: InspectQuery,
): InspectPage {
  const { order, view } = driver;
  const offloadOf = offloads(driver);
  const typeOf = (kind: S['kind']): string => view?.typeOf(kind) ?? kind;
  const kinds = new Set(order.filter((kind) => type === '' || typeOf(kind) === type));
  if (kinds.size === 0) throw unknownType(new Set(order.map(typeOf)));
  let kept: Candidate<S>[] = [];
  for (const entry of entries) {
    const kind = entry.wanted?.spec.kind ?? entry.observed?.spec.kind;
    if (entry.key <= after || kind === undefined || !kinds.has(kind)) continue;
    const standing = standingOf(entry, issueOf(entry.key));
    if (standing === undefined || !matches({ state: standing.state, claims: entry.claims })) continue;
    kept.push({ entry, ...standing });
    if (kept.length > KEPT_PAGES * limit) kept = least(kept, limit + 1);
  }
  const objects = least(kept, limit + 1).map(({ entry, state, message }): InspectedObject => {
    const { key, wanted, observed, claims } = entry;
    const spec = (wanted ?? (observed as ObservedObject<S>)).spec;
    const attributesOf = (one: S) => view?.attributesOf(one) ?? (one as unknown as NetlinkAttributes);
    return {
      key,
      type: typeOf(spec.kind),
      state,
      message,
      claims,
      ...(wanted && { wanted: attributesOf(wanted.spec) }),
      ...(observed && { observed: attributesOf(observed.spec), ...offloadOf(observed) }),
    };
  });
  return { objects: objects.slice(0, limit), more: objects.length > limit };
}

const IN_HARDWARE: OffloadState = { state: 'HARDWARE', reason: 'OffloadedByDataplane' };

/** What is told of an object that is there: of what the dataplane has not handed over, why. */
function offloads<S extends Spec>(driver: Pick<Driver<S>, 'view' | 'capabilities'>) {
  const { view } = driver;
  const told = driver.capabilities().find(({ name }) => name === HARDWARE_OFFLOAD);
  const reason = told === undefined || told.available ? NOT_OFFLOADED : told.reason;
  const inSoftware: OffloadState = { state: 'SOFTWARE', reason };
  return ({ spec, inHardware }: ObservedObject<S>): { readonly offload?: OffloadState } =>
    view?.forwards(spec.kind) ? { offload: inHardware ? IN_HARDWARE : inSoftware } : {};
}

/** Where an object stands; undefined for one that is no business of ours. */
function standingOf<S extends Spec>(
  { wanted, observed, pending, stage }: Entry<S>,
  issue: Issue | undefined,
): { readonly state: InspectedState; readonly message: string } | undefined {
  const ownership = observed?.ownership;
  if (wanted === undefined) {
    return ownership?.kind === 'owned' ? { state: 'LEFTOVER', message: issue?.message ?? '' } : undefined;
  }
  if (issue !== undefined) return issue;
  if (ownership?.kind === 'foreign') return { state: 'FOREIGN', message: ownership.found };
  return { state: pending === undefined && stage === 'idle' ? 'APPLIED' : 'WANTED', message: '' };
}

const least = <S extends Spec>(candidates: Candidate<S>[], count: number): Candidate<S>[] =>
  candidates.sort((one, other) => (one.entry.key < other.entry.key ? -1 : 1)).slice(0, count);

const unknownType = (types: ReadonlySet<string>): AppError =>
  AppError.invalid([{ field: 'type', description: `must be one of ${[...types].sort().join(', ')}` }]);
