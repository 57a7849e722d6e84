import { driverConformance } from '../conformance-suite.js';
import { SimDriver } from './sim-driver.js';
import { SimSwitch } from './sim-switch.js';

driverConformance(
  'sim',
  async () => {
    const vswitch = new SimSwitch();
    for (const number of [0, 1, 2, 3]) vswitch.plug(`pf0vf${number}`);
    return {
      open: async () => new SimDriver({ vswitch }),
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
  },
  { walks: 40, faultStride: 5 },
);
