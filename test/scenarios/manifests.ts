import type { Manifest } from '@outboard/local-stack';

/** A network with an IPv4 and an IPv6 subnet, the same for every tenant that wants one. */
export const BLUE: readonly Manifest[] = [
  { kind: 'Network', metadata: { name: 'blue' }, spec: {} },
  { kind: 'Subnet', metadata: { name: 'blue-v4' }, spec: { network: 'blue', cidr: '10.0.1.0/24' } },
  { kind: 'Subnet', metadata: { name: 'blue-v6' }, spec: { network: 'blue', cidr: 'fd00:0:1::/64' } },
];

const IDENTITIES = {
  'dpu-a': { serialNumber: 'OB-SIM-0001', pfMacAddress: '02:0b:00:00:01:00' },
  'dpu-b': { serialNumber: 'OB-SIM-0002', pfMacAddress: '02:0b:00:00:02:00' },
} as const;

export type DpuName = keyof typeof IDENTITIES;

/** A function of the example DPUs, as ports name it. */
export const functionOf = (dpu: DpuName, vfNumber: number) => ({ ...IDENTITIES[dpu], vfNumber });

/** A port of `blue` on a function. */
export const port = (
  name: string,
  dpu: DpuName,
  vfNumber: number,
  spec: Readonly<Record<string, unknown>> = {},
): Manifest => ({
  kind: 'Port',
  metadata: { name },
  spec: { network: 'blue', function: functionOf(dpu, vfNumber), ...spec },
});
