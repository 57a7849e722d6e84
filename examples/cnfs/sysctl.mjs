// Settings of the network namespace.
import { readFileSync, writeFileSync } from 'node:fs';

/** Makes a setting so, unless it is: in a container they are read only, and come with the workload (`spec.sysctls`). */
export function requireSysctl(name, value) {
  const path = `/proc/sys/${name}`;
  try {
    if (readFileSync(path, 'utf8').trim() !== value) writeFileSync(path, value);
  } catch (failure) {
    const reason = failure.code === 'ENOENT' ? 'the kernel does not have it' : failure.message;
    throw new Error(`${name.replaceAll('/', '.')} must be ${value}: ${reason}`);
  }
}
