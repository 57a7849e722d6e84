import type { AppError } from '@outboard/core';
import { parseManifest } from '../src/index.js';

export const errorOf = (result: { ok: true } | { ok: false; error: AppError }): AppError => {
  if (result.ok) throw new Error('accepted');
  return result.error;
};
export const violationsOf = (input: unknown, address?: Parameters<typeof parseManifest>[1]) =>
  errorOf(parseManifest(input, address)).violations;

/** Manifests of tests, each with this spec; what is left out is as little as there may be. */
export const port = (spec: object, metadata: object = {}) => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Port',
  metadata: { tenant: 'acme', name: 'web-0', ...metadata },
  spec: { network: 'blue', ...spec },
});
export const subnet = (spec: object) => ({
  ...port({}),
  kind: 'Subnet',
  spec: { network: 'blue', cidr: '10.0.1.0/24', ...spec },
});
export const network = (spec: object) => ({ ...port({}), kind: 'Network', spec });
export const router = (spec: object) => ({ ...port({}), kind: 'Router', spec });
export const route = (destination: string, ...addresses: string[]) =>
  router({ routes: [{ destination, nextHops: addresses.map((address) => ({ address })) }] });
export const system = (kind: string, spec: object) => ({
  ...port({}),
  kind,
  metadata: { name: 'default' },
  spec,
});
export const encapsulationPolicy = (spec: object) => system('EncapsulationPolicy', spec);
export const allowing = (...allowed: readonly object[]) =>
  encapsulationPolicy({ defaultSegment: { networkType: 'VXLAN' }, allowed });
export const physicalNetwork = (spec: object) => system('PhysicalNetwork', spec);
export const dpu = (spec: object, metadata: object = {}) => ({
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Dpu',
  metadata: { name: 'dpu-7', ...metadata },
  spec,
});

export const LABEL = 'must be an RFC 1123 label: 1-63 of a-z, 0-9, - ; starting and ending with a-z or 0-9';
export const MAC = 'must be a MAC address such as 02:00:5e:00:10:05';
export const HOSTS = 'must be a host address of the subnet, 10.0.1.1-10.0.1.254';
