import {
  AF,
  type BatchFailure,
  listRoutes,
  type Message,
  NetlinkError,
  RT_TABLE,
  route,
} from '@outboard/netlink';
import type { DriverObject, Expected, OperationResult } from '../driver.js';
import { DONE, missing, secondOf } from '../handlers.js';
import { resultOfFailure, sendSteps } from '../kernel/batch.js';
import type { Place } from '../kernel/place.js';
import { namespaceKey, routeKey } from '../realise/linux-keys.js';
import type { LinuxSpec, RouteSpec } from '../realise/linux-objects.js';
import {
  type DeleteOperation,
  type Handler,
  type Observed,
  observedOf,
  type PutOperation,
  specOf,
} from './handler.js';
import type { Places } from './places.js';
import { OUTBOARD_PROTOCOL } from './protocol.js';
import { RouteMessages, routeBody } from './route-messages.js';
import { RouteReader, unspecified } from './route-reader.js';

/** Up to so many of a namespace are asked for one by one; for more, its tables are listed. */
const SINGLE_GETS = 64;
/** Gives the entry of the table itself rather than what a packet would meet (linux/rtnetlink.h). */
const RTM_F_FIB_MATCH = 0x2000;
/** The gateway is not reachable, yet: an address or a device may make it so. */
const UNREACHABLE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'ENODEV']);

/** What routes with an unreachable gateway wait for: any address or device of the namespace. */
export const reachabilityKey = (namespace: string): string => `reachability/${namespace}`;

/** Routes of routers, in the main table. */
export class Routes implements Handler {
  constructor(private readonly places: Places) {}

  async put(operations: readonly PutOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const creations = new Messages(true);
    const replacements = new Messages(false);
    const failures = await sendRoutes(operations.length, (index) => {
      const operation = operations[index] as PutOperation;
      const spec = specOf(operation, 'route');
      const place = this.places.router(spec.namespace);
      if (place === undefined) {
        results[index] = missing(namespaceKey(spec.namespace));
        return undefined;
      }
      const message = (operation.action === 'create' ? creations : replacements).at(place).put(spec);
      if (!('kind' in message)) return { place, message };
      results[index] = message;
      return undefined;
    });
    for (const [index, failure] of failures) {
      const operation = operations[index] as PutOperation;
      const spec = specOf(operation, 'route');
      const taken = failure.code === 'EEXIST' && operation.action === 'create';
      results[index] = taken ? await this.#replace(spec) : resultOf(spec, failure);
    }
    return results;
  }

  async remove(operations: readonly DeleteOperation[]): Promise<OperationResult[]> {
    const results: OperationResult[] = operations.map(() => DONE);
    const removals = new Messages(false);
    const failures = await sendRoutes(operations.length, (index) => {
      const { namespace, destination } = observedOf(operations[index] as DeleteOperation, 'route');
      const place = this.places.router(namespace);
      return place && { place, message: removals.at(place).remove(destination) };
    });
    for (const [index, failure] of failures)
      if (failure.code !== 'ESRCH') results[index] = resultOfFailure(failure);
    return results;
  }

  async observe(keys: readonly string[] | 'all', expected?: Expected<LinuxSpec>): Promise<Observed[]> {
    if (keys === 'all')
      return (await Promise.all([...this.places.routers()].map((place) => observeAll(place)))).flat();
    const found: Observed[] = [];
    for (const [name, own] of byNamespace(keys, expected)) {
      const place = this.places.router(name);
      if (place === undefined) continue;
      for (const one of await observeSome(place, own)) found.push(one);
    }
    return found;
  }

  /** In place of a route that is there already, if that is ours. */
  async #replace(spec: RouteSpec): Promise<OperationResult> {
    const place = this.places.router(spec.namespace);
    if (place === undefined) return missing(namespaceKey(spec.namespace));
    const seen = await observeOne(place, routeKey(spec.namespace, spec.destination));
    if (seen === undefined || seen === 'uncertain') {
      const existing = await protocolOf(place, spec.destination);
      if (existing !== undefined && existing !== OUTBOARD_PROTOCOL)
        return { kind: 'foreign', found: `a route of protocol ${existing}` };
    }
    const message = new RouteMessages(place).put(spec);
    if ('kind' in message) return message;
    const failure = (await sendSteps([{ index: 0, socket: place.route, message }])).get(0);
    return failure === undefined ? DONE : resultOf(spec, failure);
  }
}

/** Keys of one namespace, and what is expected under them. */
interface Portion {
  readonly keys: string[];
  readonly expected: DriverObject<LinuxSpec>[];
}

function byNamespace(keys: readonly string[], expected: Expected<LinuxSpec> = []): Map<string, Portion> {
  const portions = new Map<string, Portion>();
  let name: string | undefined;
  let portion: Portion = { keys: [], expected: [] };
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] as string;
    const object = expected[index];
    const next = object?.spec.kind === 'route' ? object.spec.namespace : secondOf(key);
    if (next !== name) {
      name = next;
      portion = portions.get(name) ?? { keys: [], expected: [] };
      portions.set(name, portion);
    }
    portion.keys.push(key);
    if (object !== undefined) portion.expected.push(object);
  }
  return portions;
}

/** Of several places. */
class Messages {
  #last: { readonly place: Place; readonly messages: RouteMessages } | undefined;

  constructor(private readonly create: boolean) {}

  at(place: Place): RouteMessages {
    if (this.#last?.place !== place) this.#last = { place, messages: new RouteMessages(place, this.create) };
    return this.#last.messages;
  }
}

/**
 * Sends messages as they are made, so that those of a large table need not all exist at once; operations follow each
 * other by namespace as a rule, and those that do go into one batch.
 */
async function sendRoutes(
  count: number,
  messageOf: (index: number) => { place: Place; message: Message } | undefined,
): Promise<Map<number, BatchFailure>> {
  const failed = new Map<number, BatchFailure>();
  let index = 0;
  let next: { place: Place; message: Message } | undefined;
  const advance = (): void => {
    next = undefined;
    while (next === undefined && index < count) next = messageOf(index++);
  };
  advance();
  while (next !== undefined) {
    const { place } = next;
    const positions: number[] = [];
    const { failures } = await place.route.batch(
      (function* () {
        while (next?.place === place) {
          positions.push(index - 1);
          yield next.message;
          advance();
        }
      })(),
    );
    for (const failure of failures) failed.set(positions[failure.index] ?? -1, failure);
  }
  return failed;
}

function resultOf(spec: RouteSpec, failure: { code: string; message: string }): OperationResult {
  if (!UNREACHABLE.has(failure.code)) return resultOfFailure(failure);
  const message = `${spec.destination}: ${failure.message || 'the gateway is not reachable'} (${failure.code})`;
  return { kind: 'missing', dependency: reachabilityKey(spec.namespace), message };
}

/** The protocol of the route to exactly that destination; undefined if there is none. */
async function protocolOf(place: Place, destination: string): Promise<number | undefined> {
  const { rtmFamily = AF.INET, rtmDstLen, dst } = routeBody(destination);
  const routes = await place.route.dump(route.dump({ rtmFamily, rtmTable: RT_TABLE.MAIN }));
  return routes.find((each) => each.rtmDstLen === rtmDstLen && (each.dst ?? unspecified(rtmFamily)) === dst)
    ?.rtmProtocol;
}

async function observeAll(place: Place, expected?: Expected<LinuxSpec>): Promise<Observed[]> {
  const reader = new RouteReader(place, expected);
  const dumpOf = (rtmFamily: number): Promise<Observed[]> => {
    const filter = { rtmFamily, rtmTable: RT_TABLE.MAIN, rtmProtocol: OUTBOARD_PROTOCOL };
    return place.route.dump(listRoutes(filter), (listed) => reader.readListed(listed));
  };
  return (await dumpOf(AF.INET)).concat(await dumpOf(AF.INET6));
}

async function observeSome(place: Place, { keys, expected }: Portion): Promise<Observed[]> {
  const found: Observed[] = [];
  if (keys.length <= SINGLE_GETS) {
    let certain = true;
    for (const key of keys) {
      const one = await observeOne(place, key);
      if (one === 'uncertain') {
        certain = false;
        break;
      }
      if (one !== undefined) found.push(one);
    }
    if (certain) return found;
  }
  return observeAll(place, expected);
}

/**
 * One route, by asking which entry a packet to its first address would use: exact, if that entry is the one. A longer
 * prefix hides it, and an unreachable one answers with an error: then only a list tells.
 */
async function observeOne(place: Place, key: string): Promise<Observed | undefined | 'uncertain'> {
  const { rtmFamily, dst, rtmDstLen = 0 } = routeBody(key.slice(routeKey(place.name, '').length));
  const bits = rtmFamily === AF.INET6 ? 128 : 32;
  try {
    const answer = await place.route.get(
      route.get({ rtmFamily, rtmDstLen: bits, rtmFlags: RTM_F_FIB_MATCH, dst }),
    );
    const observed = new RouteReader(place).read(answer);
    if (observed?.key === key) return observed;
    return answer.rtmDstLen > rtmDstLen || answer.rtmTable !== RT_TABLE.MAIN ? 'uncertain' : undefined;
  } catch (failure) {
    if (!(failure instanceof NetlinkError)) throw failure;
    return failure.code === 'ENETUNREACH' ? undefined : 'uncertain';
  }
}
