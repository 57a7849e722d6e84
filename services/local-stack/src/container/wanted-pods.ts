import { type AnyResource, isReady, type Port } from '@outboard/model';
import type { PortStatus } from '@outboard/testbed';

/** A pod that there should be on the server, with the one function that it has. */
export interface WantedPod {
  /** Name of its network namespace: `<tenant>.<port>`. */
  readonly name: string;
  /** Undefined: the physical function. */
  readonly vfNumber: number | undefined;
  readonly status: PortStatus;
}

/** What ip-netns(8) and NetworkNamespace accept. */
const MAX_NAME = 64;

/**
 * One pod for every port of this DPU that has a function. It comes when the port is ready, as a CNI plug-in answers
 * then, and goes with the port: a port that is not ready for a while keeps its pod.
 */
export function wantedPods(
  dpu: string,
  resources: Iterable<AnyResource>,
  present: ReadonlySet<string>,
): Map<string, WantedPod> {
  const wanted = new Map<string, WantedPod>();
  for (const resource of resources) {
    if (resource.kind !== 'Port' || resource.status.dpu !== dpu) continue;
    const pod = podOf(resource);
    if (pod === undefined || pod.name.length > MAX_NAME) continue;
    if (isReady(resource.status.conditions) || present.has(pod.name)) wanted.set(pod.name, pod);
  }
  return wanted;
}

function podOf({ metadata, spec, status }: Port): WantedPod | undefined {
  if (spec.function === undefined || status.mtu === undefined) return undefined;
  return {
    name: `${metadata.tenant}.${metadata.name}`,
    vfNumber: spec.function.vfNumber,
    status: {
      mtu: status.mtu,
      ...(status.macAddress !== undefined && { macAddress: status.macAddress }),
      addresses: status.addresses.map(({ ip, prefixLength }) => ({ ip, prefixLength })),
    },
  };
}
