import { systemClock, systemRandom } from '@outboard/core';
import { type ConformanceWorld, driverConformance } from '../conformance-suite.js';
import type { OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import type { LatencyOptions, LatencyShape } from './latency.js';
import { SimDriver } from './sim-driver.js';
import { SimSwitch } from './sim-switch.js';

/** So that calls end in another order than they begin in where they may, and steps have gaps between them. */
const UNEVEN: LatencyShape = {
  call: 0.5,
  operation: 0.02,
  read: 0.005,
  kinds: new Map([
    ['port', 2],
    ['gate', 1],
  ]),
  jitter: 1,
};

const openWorld = (latency?: LatencyOptions) => async (): Promise<ConformanceWorld<OvsSpec>> => {
  const vswitch = new SimSwitch();
  for (const number of [0, 1, 2, 3]) vswitch.plug(`pf0vf${number}`);
  return {
    open: async () => new SimDriver({ vswitch, latency }),
    plug: async (representor) => vswitch.plug(representor),
    unplug: async (representor) => vswitch.unplug(representor),
    canBeForeign: (key) => !key.startsWith('pipeline/'),
    placeForeign: async (key) =>
      vswitch.putForeign(
        key,
        { kind: 'port', name: '', type: 'system', options: {}, attached: false },
        'a stranger',
      ),
    removeForeign: async (key) => {
      vswitch.remove(key);
      const [, name = ''] = key.split('/');
      if (/^link\/pf/.test(key)) vswitch.plug(name);
    },
    isForeignIntact: async (key) => vswitch.get(key)?.ownership.kind === 'foreign',
    [Symbol.asyncDispose]: async () => undefined,
  };
};

driverConformance('sim', openWorld(), { walks: 40, faultStride: 5 });

driverConformance(
  'sim that takes its time',
  openWorld({ shape: UNEVEN, clock: systemClock, random: systemRandom }),
  { walks: 10, faultStride: 25 },
);
