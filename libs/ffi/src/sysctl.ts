import { existsSync, writeFileSync } from 'node:fs';
import type { NetworkNamespace } from './network-namespace.js';

/** Writes those that this kernel has in a namespace; names as paths, which sysctl(8) accepts too. */
export function setSysctls(namespace: NetworkNamespace, values: Readonly<Record<string, string>>): void {
  namespace.run(() => {
    for (const [name, value] of Object.entries(values)) {
      const path = `/proc/sys/${name}`;
      if (existsSync(path)) writeFileSync(path, value);
    }
  });
}
