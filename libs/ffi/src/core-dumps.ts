import koffi from 'koffi';
import { SystemError } from './system-error.js';

const RLIMIT_CORE = 4;

const setrlimit = koffi.load(null).func('int setrlimit(int, const void *)');

/** This process leaves no core file when it crashes, whatever it was allowed (setrlimit(2)): there may be keys in it. */
export function forbidCoreDumps(): void {
  // struct rlimit: the soft and the hard limit, both 0.
  if ((setrlimit(RLIMIT_CORE, new Uint8Array(16)) as number) < 0)
    throw new SystemError('setrlimit', koffi.errno());
}
