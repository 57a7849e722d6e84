import type { ConformanceWorld } from '../conformance-suite.js';
import type { OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import type { LatencyOptions } from '../driver-sim/latency.js';
import { SimDriver } from '../driver-sim/sim-driver.js';
import { SimSwitch } from '../driver-sim/sim-switch.js';

/** A simulated switch, as the conformance suite wants it. */
export const openSimWorld = (latency?: LatencyOptions) => async (): Promise<ConformanceWorld<OvsSpec>> => {
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
