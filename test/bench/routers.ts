import { NetworkNamespace } from '@outboard/netlink';

/**
 * The namespaces of routers that drivers make here belong to no testbed: they are removed when this process ends, by a
 * signal too. `name`: begins the names of the drivers' DPUs.
 */
export function removeRoutersAtEnd(name: string): void {
  process.once('exit', () => {
    for (const left of NetworkNamespace.list(`ob-${name}`)) NetworkNamespace.remove(left);
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
}
