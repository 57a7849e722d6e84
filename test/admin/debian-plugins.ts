import type { NetworkNamespace } from '@outboard/netlink';
import { mustRunIn } from '../cni/run.js';

/** Where Debian's package containernetworking-plugins has its programs. */
const PLUGINS = '/usr/lib/cni';

/** Where a plugin runs: the network of a machine, and what a command has to begin with to see its other namespaces. */
export interface CniHost {
  readonly namespace: NetworkNamespace;
  readonly enter: readonly string[];
}

export interface CniCall {
  readonly command: 'ADD' | 'CHECK' | 'DEL';
  readonly containerId: string;
  /** Path of the namespace as the plugin sees it. */
  readonly netns: string;
  readonly ifname: string;
  /** The network configuration, with `type`: the plugin. */
  readonly configuration: Readonly<Record<string, unknown>> & { readonly type: string };
}

/** Calls one of Debian's plugins as a container runtime does; throws what it says when it fails. */
export async function callPlugin({ namespace, enter }: CniHost, call: CniCall): Promise<unknown> {
  const { command, containerId, netns, ifname, configuration } = call;
  const environment = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: ifname,
    CNI_PATH: PLUGINS,
  };
  const [program = '', ...args] = [...enter, `${PLUGINS}/${configuration.type}`];
  const output = await mustRunIn(namespace, [program, ...args], environment, JSON.stringify(configuration));
  return output === '' ? undefined : JSON.parse(output);
}
