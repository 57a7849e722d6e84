import { type DeflateFormat, ISAL_MAXIMUM_LEVEL, ISAL_MINIMUM_LEVEL, openLibisal } from '@outboard/ffi';
import type { EngineModule, EngineOf, ModuleLoader } from '../engine.js';
import { crc32cBytes } from './crc32c.js';

/** Intel's library for storage: fast deflate at low levels, and CRC-32C. */
export const isal: ModuleLoader = {
  name: 'isal',
  open(): EngineModule {
    const library = openLibisal();
    const compression = (format: DeflateFormat): EngineOf<'compression'> => ({
      kind: 'compression',
      minimumLevel: ISAL_MINIMUM_LEVEL,
      maximumLevel: ISAL_MAXIMUM_LEVEL,
      compress: (level, input, output) => library.compress(format, level, input, output),
      decompress: (input, output) => library.decompress(format, input, output),
    });
    return {
      name: 'isal',
      implementation: 'SOFTWARE_NATIVE',
      engines: {
        DEFLATE: compression('deflate'),
        GZIP: compression('gzip'),
        CRC32C: {
          kind: 'digest',
          digest: (input, output) => crc32cBytes(library.crc32c(input), output),
        },
      },
    };
  },
};
