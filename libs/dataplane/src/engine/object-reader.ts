import { fromBinary } from '@bufbuild/protobuf';
import { type DataplaneObject, DataplaneObjectSchema, type Route } from '@outboard/contracts';
import { textOf } from '../bytes-text.js';

const tagOf = (field: number): number => (field << 3) | 2;
const SOURCE = tagOf(1);
const ROUTE = tagOf(7);
/** Of a Route. */
const ROUTER = tagOf(1);
const DESTINATION = tagOf(2);
const NEXT_HOP = tagOf(3);

/** A route that was read, and where in its bytes stands what. */
interface Known {
  readonly bytes: Uint8Array;
  readonly places: Places;
  readonly object: DataplaneObject;
  readonly route: Route;
}

/** Positions in the bytes of a route: the source, a header, the router, the destination (its text), the next hops. */
interface Places {
  readonly sourceEnd: number;
  readonly routerStart: number;
  readonly routerEnd: number;
  readonly destinationStart: number;
  readonly destinationEnd: number;
}

/**
 * Reads serialised DataplaneObjects. Routes come by the hundred thousand, and mostly differ from their neighbour in
 * nothing but the destination: then only that is read, and everything else is the neighbour's.
 */
export class ObjectReader {
  #last: Known | undefined;

  /** Throws what `fromBinary` throws. */
  read(bytes: Uint8Array): DataplaneObject {
    const places = placesIn(bytes);
    if (places !== undefined && this.#last !== undefined && differInDestination(this.#last, bytes, places)) {
      const { object, route } = this.#last;
      const destination = textOf(bytes, places.destinationStart, places.destinationEnd);
      return { ...object, object: { case: 'route', value: { ...route, destination } } };
    }
    const object = fromBinary(DataplaneObjectSchema, bytes);
    if (places !== undefined && object.object.case === 'route')
      this.#last = { bytes, places, object, route: object.object.value };
    return object;
  }
}

/**
 * Where things are in a route as encoders write it: each field once and in order, the destination short and in ASCII.
 * Undefined for everything else, which only takes longer to read.
 */
function placesIn(bytes: Uint8Array): Places | undefined {
  const sourceEnd = bytes[0] === SOURCE ? endOfField(bytes, 0) : 0;
  if (bytes[sourceEnd] !== ROUTE || endOfField(bytes, sourceEnd) !== bytes.length) return undefined;
  const routerStart = startOfValue(bytes, sourceEnd);
  const routerEnd = endOfField(bytes, routerStart);
  const destinationStart = startOfValue(bytes, routerEnd);
  const destinationEnd = endOfField(bytes, routerEnd);
  if (bytes[routerStart] !== ROUTER || bytes[routerEnd] !== DESTINATION) return undefined;
  let at = destinationEnd;
  while (bytes[at] === NEXT_HOP) at = endOfField(bytes, at);
  if (at !== bytes.length) return undefined;
  for (let index = destinationStart; index < destinationEnd; index++)
    if ((bytes[index] ?? 0) > 0x7f) return undefined;
  return { sourceEnd, routerStart, routerEnd, destinationStart, destinationEnd };
}

/** Of a field with a tag of one byte and a length of one or two. */
const startOfValue = (bytes: Uint8Array, at: number): number => at + ((bytes[at + 1] ?? 0) > 0x7f ? 3 : 2);

/** The same; a longer length ends nowhere in the bytes. */
function endOfField(bytes: Uint8Array, at: number): number {
  const low = bytes[at + 1] ?? 0;
  const high = low > 0x7f ? (bytes[at + 2] ?? 0) : 0;
  if (high > 0x7f) return Number.POSITIVE_INFINITY;
  return startOfValue(bytes, at) + (low & 0x7f) + (high << 7);
}

function differInDestination({ bytes, places }: Known, other: Uint8Array, otherPlaces: Places): boolean {
  const { sourceEnd, routerStart, routerEnd, destinationEnd } = places;
  return (
    sourceEnd === otherPlaces.sourceEnd &&
    routerEnd - routerStart === otherPlaces.routerEnd - otherPlaces.routerStart &&
    bytes.length - destinationEnd === other.length - otherPlaces.destinationEnd &&
    areEqual(bytes, 0, other, 0, sourceEnd) &&
    areEqual(bytes, routerStart, other, otherPlaces.routerStart, routerEnd - routerStart) &&
    areEqual(bytes, destinationEnd, other, otherPlaces.destinationEnd, bytes.length - destinationEnd)
  );
}

function areEqual(one: Uint8Array, at: number, other: Uint8Array, otherAt: number, length: number): boolean {
  for (let index = length - 1; index >= 0; index--)
    if (one[at + index] !== other[otherAt + index]) return false;
  return true;
}
