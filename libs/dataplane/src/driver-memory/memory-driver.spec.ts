import { driverConformance } from '../conformance-suite.js';
import { MemoryDriver } from './memory-driver.js';
import { MemoryKernel } from './memory-kernel.js';

driverConformance(
  'memory',
  async () => {
    const kernel = new MemoryKernel();
    for (const number of [0, 1, 2, 3]) kernel.plug(`pf0vf${number}`);
    return {
      open: async () => new MemoryDriver({ dpu: 'dpu-1', kernel }),
      plug: async (representor) => kernel.plug(representor),
      unplug: async (representor) => kernel.unplug(representor),
      canBeForeign: (key) => !key.startsWith('gate/'),
      placeForeign: async (key) =>
        kernel.putForeign(key, { kind: 'gate', device: '', target: '' }, 'a stranger'),
      removeForeign: async (key) => {
        kernel.remove(key);
        const [, name = ''] = key.split('/');
        if (/^link\/pf/.test(key)) kernel.plug(name);
      },
      isForeignIntact: async (key) => kernel.get(key)?.ownership.kind === 'foreign',
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
  { walks: 100, faultStride: 3 },
);
