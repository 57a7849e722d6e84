import type { Subscription } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { fleetDpu, isEverywhere, onFunction } from '@outboard/fleet-simulator';
import { quantile } from '../report.js';
import { type FleetSystem, TENANT } from './fleet-system.js';
import { type Meter, since } from './meter.js';

/** Intents that are on their way at a time. */
const INTENTS_AT_ONCE = 256;
const NETWORK = 'large';

/**
 * A network with so many ports on each DPU of a fleet that is larger than a machine has memory for: a few DPUs have
 * workers and simulated switches with all ports, the others are played. Callers want the ports before there are DPUs;
 * then these start, all at once. Then one port more again and again, and a restart of the service that plans.
 */
export async function largeNetwork(
  system: FleetSystem,
  meter: Meter,
  ports: number,
  full: number,
): Promise<void> {
  const { client, state } = system;
  const { dpus } = system.options;
  const all = dpus * ports;
  await client.apply('Network', NETWORK, {});
  await client.apply('Subnet', `${NETWORK}-v4`, { network: NETWORK, cidr: '10.64.0.0/14' });

  meter.progress(`${all} ports are wanted`);
  let before = system.cpu();
  let started = performance.now();
  const nameOf = (index: number): string => `${NETWORK}-${index}`;
  let next = 0;
  let wanted = 0;
  const wantNext = async (): Promise<void> => {
    while (next < all) {
      const index = next++;
      const number = Math.floor(index / dpus);
      await client.apply('Port', nameOf(index), onFunction(NETWORK, 1 + (index % dpus), number));
      if (++wanted % Math.ceil(all / 10) === 0)
        meter.progress(`${wanted} ports, ${since(started).toFixed(0)} s`);
    }
  };
  await Promise.all(Array.from({ length: INTENTS_AT_ONCE }, wantNext));
  meter.tell(`${all} ports wanted on DPUs that are not there`, since(started), 's');
  meter.tellCpu('ports wanted', before);

  meter.progress('all DPUs start');
  before = system.cpu();
  started = performance.now();
  await system.startWorkers();
  await state.untilReadyDpus((ready) => ready === dpus);
  meter.tell('all DPUs started at once, until the last is ready', since(started), 's');
  for (let index = 0; index < all; index++)
    await state.until('Port', { tenant: TENANT, name: nameOf(index) }, isEverywhere);
  meter.tell(`the same, until ${all} ports are everywhere`, since(started), 's');
  meter.tellCpu('all ports everywhere', before);
  meter.tell(`objects in the switches of ${full} DPUs`, await system.objects(), '');
  meter.tell('entries in the documents of all DPUs', all * dpus, '');
  meter.tellMemory();

  const reports = await LastReports.follow(system, full);
  const fullTimes: number[] = [];
  const what = 'one port more, and the one before gone';
  await meter.changes(what, async (change) => {
    const name = `more-${change}`;
    if (change > 0) await client.delete('Port', `more-${change - 1}`);
    const from = performance.now();
    await client.apply('Port', name, onFunction(NETWORK, 1 + (change % dpus), ports));
    await state.until('Port', { tenant: TENANT, name }, isEverywhere);
    fullTimes.push(reports.last - from);
    return performance.now() - from;
  });
  await reports[Symbol.asyncDispose]();
  for (const [name, share] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const)
    meter.tell(`${what}, until the last of ${full} with a worker, ${name}`, quantile(fullTimes, share), 'ms');
  for (const [name, value] of Object.entries(await system.played()))
    if (typeof value === 'number') meter.tell(`played: ${name}`, value, '');
  meter.tellMemory();

  meter.progress('network-intent restarts');
  meter.tell('network-intent restarted, until it is ready', await system.restart('network-intent'), 's');
}

/** When the last report of the DPUs with workers was seen on the bus. */
class LastReports implements AsyncDisposable {
  last = 0;
  readonly #subscriptions: Subscription[] = [];

  static async follow({ bus }: FleetSystem, full: number): Promise<LastReports> {
    const followed = new LastReports();
    for (let number = 1; number <= full; number++) {
      const subject = subjects.dpu(fleetDpu(number).name, 'observed', 'network');
      const subscription = await bus.subscribe(subject, () => {
        followed.last = performance.now();
      });
      followed.#subscriptions.push(subscription);
    }
    return followed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const subscription of this.#subscriptions) await subscription[Symbol.asyncDispose]();
  }
}
