import { openLibzstd } from '@outboard/ffi';
import { ALGORITHMS } from '../algorithms.js';
import type { EngineModule, ModuleLoader } from '../engine.js';

/** Facebook's library: Zstandard. */
export const zstd: ModuleLoader = {
  name: 'zstd',
  open(): EngineModule {
    const library = openLibzstd();
    return {
      name: 'zstd',
      implementation: 'SOFTWARE_NATIVE',
      engines: {
        ZSTD: {
          kind: 'compression',
          minimumLevel: 1,
          maximumLevel: ALGORITHMS.ZSTD.maximumLevel,
          compress: (level, input, output) => library.compress(level, input, output),
          decompress: (input, output) => library.decompress(input, output),
        },
      },
    };
  },
};
