import type { ResourceJson } from '@outboard/model';

/** When the samples are looked at: 2026-11-22T10:08:00Z. */
export const NOW = Date.UTC(2026, 10, 22, 10, 8);

/** A uid of that age, milliseconds (UUID version 7). */
const uidOf = (age: number, number: number): string => {
  const time = (NOW - age).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7a2e-8c1b-${number.toString(16).padStart(12, '0')}`;
};

const MINUTE = 60_000;

const ready = (reason: string, message: string, status = 'True') => ({
  type: 'Ready',
  status,
  reason,
  message,
  observedGeneration: 3,
  lastTransitionTime: '2026-11-22T10:05:00Z',
});

export const PORT: ResourceJson = {
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Port',
  metadata: {
    tenant: 'acme',
    name: 'web-0',
    uid: uidOf(3 * MINUTE, 1),
    labels: { app: 'web', tier: 'front' },
    generation: 3,
    resourceVersion: '1042',
  },
  spec: {
    network: 'blue',
    function: { serialNumber: 'MT2113X00042', pfMacAddress: '08:c0:eb:8a:d7:8a', vfNumber: 3 },
    addresses: [{ subnet: 'blue-v4', ip: '10.0.1.5' }, { subnet: 'blue-v6' }],
    adminState: 'UP',
    offload: 'PREFERRED',
  },
  status: {
    observedGeneration: 3,
    dpu: 'dpu-7',
    representor: 'pf0vf3',
    mtu: 1450,
    macAddress: '02:00:5e:00:10:05',
    addresses: [
      { subnet: 'blue-v4', ip: '10.0.1.5', prefixLength: 24, gateway: '10.0.1.1' },
      { subnet: 'blue-v6', ip: 'fd00:0:1::5', prefixLength: 64, gateway: 'fd00:0:1::1' },
    ],
    segment: { networkType: 'VXLAN', segmentationId: 5001 },
    offload: { state: 'SOFTWARE', reason: 'NoHardware' },
    propagated: { applied: 1, total: 2, lagging: ['dpu-9'] },
    conditions: [
      {
        ...ready('Valid', 'The spec obeys every rule and is stored; addresses are allocated.'),
        type: 'Accepted',
      },
      ready('AppliedAndReadBack', 'The DPU has applied it and read it back.'),
    ],
  },
};

/** Bound to nothing: most of its status is not there. */
export const RESERVED_PORT: ResourceJson = {
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Port',
  metadata: {
    tenant: 'acme',
    name: 'db-0',
    uid: uidOf(30 * 60 * MINUTE, 2),
    generation: 1,
    resourceVersion: '7',
  },
  spec: { network: 'blue', adminState: 'DOWN', offload: 'NEVER' },
  status: {
    observedGeneration: 1,
    macAddress: '02:00:5e:00:10:06',
    conditions: [ready('NoFunction', 'The spec names no function.', 'False')],
  },
};

export const NETWORK: ResourceJson = {
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Network',
  metadata: { tenant: 'acme', name: 'blue', uid: uidOf(5000, 3), generation: 1, resourceVersion: '3' },
  spec: { router: 'default' },
  status: {
    observedGeneration: 1,
    segment: { networkType: 'VXLAN', segmentationId: 5001 },
    mtu: 1450,
    conditions: [ready('SegmentAllocated', 'The network has a segment of its own.')],
  },
};

export const SUBNET: ResourceJson = {
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Subnet',
  metadata: { tenant: 'acme', name: 'blue-v4', uid: uidOf(5000, 4), generation: 1, resourceVersion: '4' },
  spec: { network: 'blue', cidr: '10.0.1.0/24' },
  status: {
    observedGeneration: 1,
    gateway: '10.0.1.1',
    allocated: 2,
    capacity: { total: '253', used: '2', reserved: '1', free: '250' },
    conditions: [ready('Valid', 'The spec obeys every rule and is stored.')],
  },
};

export const DPU: ResourceJson = {
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Dpu',
  metadata: {
    tenant: '_',
    name: 'dpu-7',
    uid: uidOf(5 * 24 * 60 * MINUTE, 5),
    generation: 1,
    resourceVersion: '9',
  },
  spec: { host: 'worker-3.example.org' },
  status: {
    observedGeneration: 1,
    serialNumber: 'MT2113X00042',
    incarnation: 'boot-1',
    workerVersion: '0.1.0',
    kernelRelease: '6.1.0-18-arm64',
    architecture: 'aarch64',
    driver: 'linux',
    capabilities: [
      { name: 'vxlan', available: true },
      { name: 'flower-offload', reason: 'the device has no hardware switch' },
    ],
    underlay: { device: 'p0', address: '192.0.2.7', mtu: 9000 },
    functions: 4,
    conditions: [ready('LeaseRenewed', 'Its worker reports.')],
  },
};

export const FUNCTION: ResourceJson = {
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Function',
  metadata: {
    tenant: '_',
    name: 'dpu-7-pf0vf3',
    uid: uidOf(90_000, 6),
    generation: 1,
    resourceVersion: '10',
  },
  spec: { pool: 'pods' },
  status: {
    observedGeneration: 1,
    dpu: 'dpu-7',
    serialNumber: 'MT2113X00042',
    pfMacAddress: '08:c0:eb:8a:d7:8a',
    flavour: 'PCI_VF',
    vfNumber: 3,
    hwAddress: '02:00:5e:00:10:05',
    state: 'ACTIVE',
    representor: { netdev: 'pf0vf3', physPortName: 'pf0vf3', switchId: '8ad78a0003ebc008' },
    attachment: 'HOST',
    claim: { tenant: 'acme', kind: 'Port', name: 'web-0' },
    conditions: [ready('Discovered', 'Its DPU has it.')],
  },
};
