import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Filter, filter, qdisc, TC_CLSACT } from '@outboard/netlink';
import type { OperationResult, RuleCounter } from '../driver.js';
import { secondOf } from '../handlers.js';
import type { Device } from '../kernel/device.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import { Gates, gateAmong } from './gates.js';
import type { DeleteOperation, Handler, Observed, PutOperation } from './handler.js';
import { takesFilters } from './ingress.js';
import type { Places } from './places.js';
import { countersAmong, Steerings, steeringsAmong } from './steerings.js';

/** The kernel lists the filters of one device at a time. After so many devices the event loop runs. */
const DEVICES_PER_TURN = 64;

/** Of those that filters are attached to, nothing but where they are is of interest. */
const QDISCS = { ...qdisc.dump(), family: qdisc.reading({ kind: true }) };

type Maker = Pick<Handler, 'put' | 'remove'>;

/** Filters of what comes in by a device: made by those who know what they are for, and listed once for all of these. */
export class Filters implements Handler {
  readonly #gates: Maker;
  readonly #steerings: Maker;

  constructor(private readonly places: Places) {
    this.#gates = new Gates(places);
    this.#steerings = new Steerings(places);
  }

  put(operations: readonly PutOperation[]): Promise<OperationResult[]> {
    return this.#inRuns(
      operations,
      ({ object }) => object.spec,
      (maker, run) => maker.put(run),
    );
  }

  remove(operations: readonly DeleteOperation[]): Promise<OperationResult[]> {
    return this.#inRuns(
      operations,
      ({ observed }) => observed,
      (maker, run) => maker.remove(run),
    );
  }

  async observe(keys: readonly string[] | 'all'): Promise<Observed[]> {
    const { dpu } = this.places;
    const wanted = keys === 'all' ? undefined : new Set(keys);
    const names = keys === 'all' ? keys : new Set(keys.map(secondOf));
    return readFilters(this.places, names, (device, filters) =>
      [...gateAmong(dpu, device, filters), ...steeringsAmong(dpu, device, filters)].filter(
        ({ key }) => wanted?.has(key) !== false,
      ),
    );
  }

  /** In their order, those of one maker that follow each other at once. */
  async #inRuns<Operation>(
    operations: readonly Operation[],
    specOf: (operation: Operation) => LinuxSpec,
    carryOut: (maker: Maker, run: readonly Operation[]) => Promise<readonly OperationResult[]>,
  ): Promise<OperationResult[]> {
    const results: OperationResult[] = [];
    const makerOf = (operation: Operation): Maker =>
      specOf(operation).kind === 'gate' ? this.#gates : this.#steerings;
    for (let start = 0; start < operations.length; ) {
      const maker = makerOf(operations[start] as Operation);
      const length = operations.slice(start).findIndex((each) => makerOf(each) !== maker);
      const end = length < 0 ? operations.length : start + length;
      results.push(...(await carryOut(maker, operations.slice(start, end))));
      start = end;
    }
    return results;
  }
}

/** What went from hop to hop of service chains, filter by filter. */
export const hopCounters = (places: Places): Promise<RuleCounter[]> =>
  readFilters(places, 'all', (_device, filters) => countersAmong(filters));

/** What `read` makes of the filters of what comes in by each of these devices, or by all. */
async function readFilters<Read>(
  { dpu }: Pick<Places, 'dpu'>,
  names: ReadonlySet<string> | 'all',
  read: (device: Device, filters: readonly Filter[]) => readonly Read[],
): Promise<Read[]> {
  let devices: Device[];
  if (names === 'all') {
    devices = await dpu.route.dump(QDISCS, ({ kind, ifindex }) =>
      takesFilters(kind) ? dpu.deviceAt(ifindex) : undefined,
    );
  } else devices = [...names].flatMap((name) => dpu.device(name) ?? []);
  const found: Read[] = [];
  for (const [index, device] of devices.entries()) {
    if (index % DEVICES_PER_TURN === DEVICES_PER_TURN - 1) await nextTurn();
    const request = filter.dump({ ifindex: device.index, parent: TC_CLSACT.INGRESS });
    for (const each of read(device, await dpu.route.dump(request))) found.push(each);
  }
  return found;
}
