import type { Labels } from './values.js';

/** Of ports that a host's agent made for a pod: whose they are. */
export const POD_LABEL = 'outboard.dev/pod';
export const POD_NAMESPACE_LABEL = 'outboard.dev/namespace';

/** `namespace/name` of the pod that an agent made a port for; undefined: for none, or its name is no value of a label. */
export function podOf(labels: Labels): string | undefined {
  const [namespace, name] = [labels[POD_NAMESPACE_LABEL], labels[POD_LABEL]];
  return namespace === undefined || name === undefined ? undefined : `${namespace}/${name}`;
}
