import type { JsonObject } from '@bufbuild/protobuf';
import fc from 'fast-check';
import {
  type Accelerator,
  ADMIN_STATES,
  ATTACHMENTS,
  DEFAULT_POOL,
  DESIRED_LIFECYCLES,
  DEVICE_FILES,
  type DeviceName,
  type Dpu,
  type DpuFunction,
  type DpuNetworkConfiguration,
  FLAVOURS,
  FUNCTION_OPERATIONAL_STATES,
  FUNCTION_STATES,
  type FunctionPool,
  type HostName,
  type InterfaceAddress,
  type IpAddress,
  ipFamily,
  LIFECYCLE_STATES,
  LINUX_CAPABILITIES,
  type LifecycleStatus,
  type Name,
  type Probe,
  RESTART_POLICIES,
  TERMINATION_REASONS,
  type TenantName,
  WORKLOAD_STATES,
  type Workload,
  type WorkloadConfiguration,
  type WorkloadSpec,
} from '../../src/index.js';
import {
  base64,
  conditions,
  ipAddress,
  ipPrefix,
  labelSelector,
  macAddress,
  maybe,
  name,
  nothing,
  serialNumber,
  systemMetadata,
  tenantMetadata,
  told,
  uint32,
} from './values.js';

const accelerator: fc.Arbitrary<Accelerator> = fc.record({
  sealingPublicKey: base64(32),
  socketDirectory: fc.string(),
  engines: fc.array(
    fc.record({
      operation: fc.string(),
      algorithm: fc.string(),
      module: fc.string(),
      implementation: fc.string(),
      placement: fc.string(),
      keyBits: uint32,
      minimumLevel: uint32,
      maximumLevel: uint32,
      maximumInput: uint32,
      maximumAdditionalData: uint32,
      lane: fc.string(),
      speeds: fc.array(fc.record({ inputBytes: uint32, megabytesPerSecond: uint32 }), { maxLength: 2 }),
    }),
    { maxLength: 2 },
  ),
  quarantined: fc.array(
    fc.record({ module: fc.string(), operation: fc.string(), algorithm: fc.string(), reason: fc.string() }),
    { maxLength: 2 },
  ),
});

const request = fc.stringMatching(/^[!-~]{1,64}$/);

const lifecycle: fc.Arbitrary<LifecycleStatus> = fc.record({
  state: fc.constantFrom(...LIFECYCLE_STATES),
  reason: fc.string(),
  message: fc.string(),
  since: fc.string(),
  deadline: told,
  stuck: fc.boolean(),
  remaining: fc.nat(),
  remainingNames: fc.array(fc.string(), { maxLength: 2 }),
  rebootRequest: maybe(request),
  retryRequest: maybe(request),
  failedState: maybe(fc.constantFrom(...LIFECYCLE_STATES)),
  failures: fc.nat(),
  provisionedIncarnation: told,
  endingIncarnation: told,
});

const capacity = fc.record({ cpuMillicores: fc.nat(), memoryMebibytes: fc.nat() });

export const dpu: fc.Arbitrary<Dpu> = fc.record({
  kind: fc.constant('Dpu' as const),
  metadata: systemMetadata,
  spec: fc.record({
    serialNumber: maybe(serialNumber),
    host: maybe(fc.constantFrom('worker-3', 'worker-3.example.org') as unknown as fc.Arbitrary<HostName>),
    approved: maybe(fc.boolean()),
    lifecycle: fc.record({
      desired: fc.constantFrom(...DESIRED_LIFECYCLES),
      rebootRequest: maybe(request),
      retryRequest: maybe(request),
      drainSeconds: fc.integer({ min: 1, max: 604_800 }),
      forceDrain: fc.boolean(),
    }),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    serialNumber: maybe(serialNumber),
    incarnation: told,
    workerVersion: told,
    kernelRelease: told,
    architecture: told,
    driver: told,
    capabilities: fc.array(fc.record({ name: fc.string(), available: fc.boolean(), reason: fc.string() }), {
      maxLength: 3,
    }),
    underlay: maybe(fc.record({ device: fc.string(), address: ipAddress, mtu: fc.nat() })),
    accelerator: maybe(accelerator),
    functions: fc.nat(),
    capacity: maybe(capacity),
    usedCapacity: maybe(capacity),
    freeCapacity: maybe(capacity),
    workloads: fc.nat(),
    networkKept: told,
    endingWorkloads: fc.array(fc.record({ tenant: name, name, uid: fc.uuid() }), { maxLength: 3 }),
    usedFunctions: fc.nat(),
    freeFunctions: fc.nat(),
    uplinks: fc.array(
      fc.record({
        device: fc.string(),
        macAddress: fc.string(),
        mtu: uint32,
        adminState: fc.constantFrom(...ADMIN_STATES),
        carrier: fc.boolean(),
        speedMbps: uint32,
        driver: fc.string(),
        firmwareVersion: fc.string(),
      }),
      { maxLength: 2 },
    ),
    lifecycle: maybe(lifecycle),
    conditions: conditions('Dpu'),
  }),
});

const interfaceAddresses = fc.uniqueArray(
  ipAddress.map((address) => `${address}/${ipFamily(address) === 4 ? 32 : 128}` as InterfaceAddress),
  { maxLength: 2 },
);

const dpuInterface = (device: string, addresses: fc.Arbitrary<readonly InterfaceAddress[]>) =>
  fc.record({
    device: fc.constant(device as DeviceName),
    mtu: maybe(fc.integer({ min: 1280, max: 9216 })),
    adminState: fc.constantFrom('UP' as const, 'DOWN' as const),
    addresses,
    exclusiveAddresses: fc.boolean(),
    master: maybe(fc.constant('br0' as DeviceName)),
  });

const dpuRoute = ipPrefix.chain((destination) =>
  fc.record({
    destination: fc.constant(destination),
    gateway: maybe(
      fc.constant((ipFamily(destination) === 4 ? '192.0.2.1' : '2001:db9::1') as unknown as IpAddress),
    ),
    device: fc.constant('p7' as DeviceName),
    metric: fc.nat({ max: 2000 }),
  }),
);

export const dpuNetworkConfiguration: fc.Arbitrary<DpuNetworkConfiguration> = fc.record({
  kind: fc.constant('DpuNetworkConfiguration' as const),
  metadata: systemMetadata,
  spec: fc.record({
    interfaces: fc.tuple(dpuInterface('p0', interfaceAddresses), dpuInterface('pf0hpf', fc.constant([]))),
    routes: fc.uniqueArray(dpuRoute, { maxLength: 3, selector: ({ destination }) => destination }),
    confirmTimeoutSeconds: fc.integer({ min: 5, max: 600 }),
    attempt: fc.nat(),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    confirmedGeneration: fc.nat(),
    conditions: conditions('DpuNetworkConfiguration'),
  }),
});

export const dpuFunction: fc.Arbitrary<DpuFunction> = fc.record({
  kind: fc.constant('Function' as const),
  metadata: systemMetadata,
  spec: fc.record({ pool: fc.oneof(name, fc.constant(DEFAULT_POOL)) }),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpu: maybe(name),
    serialNumber: maybe(serialNumber),
    pfMacAddress: maybe(macAddress),
    flavour: maybe(fc.constantFrom(...FLAVOURS)),
    controller: fc.nat(),
    pfNumber: fc.nat(),
    vfNumber: maybe(fc.nat()),
    sfNumber: maybe(fc.nat()),
    external: fc.boolean(),
    hwAddress: maybe(macAddress),
    state: maybe(fc.constantFrom(...FUNCTION_STATES)),
    opState: maybe(fc.constantFrom(...FUNCTION_OPERATIONAL_STATES)),
    representor: maybe(fc.record({ netdev: fc.string(), physPortName: fc.string(), switchId: fc.string() })),
    attachment: maybe(fc.constantFrom(...ATTACHMENTS)),
    claim: maybe(
      fc.record({ tenant: name as unknown as fc.Arbitrary<TenantName>, kind: fc.constant('Port'), name }),
    ),
    conditions: conditions('Function'),
  }),
});

const words = fc.array(
  fc.string({ maxLength: 8 }).map((text) => text.replaceAll('\0', '')),
  { maxLength: 3 },
);

const jsonObject: fc.Arbitrary<JsonObject> = fc.dictionary(
  fc.constantFrom('type', 'properties', 'a b', ''),
  fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constant([{ x: 1 }]),
  ),
) as fc.Arbitrary<JsonObject>;

const absolutePath = fc.constantFrom('/etc/firewall.conf', '/opt/x');

const probe: fc.Arbitrary<Probe> = fc.record({
  action: fc.oneof(
    fc.record({ kind: fc.constant('exec' as const), command: fc.constantFrom(['/bin/true'], ['a', 'b']) }),
    fc.record({ kind: fc.constant('http' as const), path: fc.constant('/health') }),
  ),
  periodSeconds: fc.integer({ min: 1, max: 3600 }),
  timeoutSeconds: fc.integer({ min: 1, max: 60 }),
  failureThreshold: fc.integer({ min: 1, max: 100 }),
  initialDelaySeconds: fc.nat(3600),
});

const workloadSpec: fc.Arbitrary<WorkloadSpec> = fc
  .record({
    place: fc.oneof(
      fc.record({ dpu: maybe(name), dpuSelector: fc.constant(undefined) }),
      fc.record({ dpu: fc.constant(undefined), dpuSelector: labelSelector }),
    ),
    image: maybe(absolutePath),
    command: words.filter(({ length }) => length > 0),
    arguments: words,
    environment: fc.dictionary(fc.constantFrom('A', '_b1'), fc.constantFrom('', 'x=y')),
    workingDirectory: maybe(absolutePath),
    resources: fc.record({
      cpuMillicores: fc.integer({ min: 10, max: 1_024_000 }),
      memoryMebibytes: fc.integer({ min: 4, max: 1_048_576 }),
      processes: fc.integer({ min: 1, max: 32_768 }),
    }),
    interfaces: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('eth0', 'inside') as unknown as fc.Arbitrary<DeviceName>,
        port: name,
        defaultRoute: maybe(fc.constant(false)),
      }),
      { maxLength: 2, selector: (each) => each.name, comparator: (one, other) => one === other },
    ),
    files: fc.uniqueArray(fc.record({ path: absolutePath, content: fc.string(), mode: fc.nat(0o7777) }), {
      maxLength: 2,
      selector: ({ path }) => path,
    }),
    restartPolicy: fc.constantFrom(...RESTART_POLICIES),
    readinessProbe: maybe(probe),
    livenessProbe: maybe(probe),
    terminationGraceSeconds: fc.integer({ min: 1, max: 300 }),
    capabilities: fc.subarray([...LINUX_CAPABILITIES]),
    devices: fc.subarray([...DEVICE_FILES]),
    sysctls: fc.dictionary(fc.constant('net.ipv4.ip_forward'), fc.constantFrom('0', '1')),
    accelerationSessions: fc.subarray(['sealing', 'squeezing'] as Name[]),
  })
  .map(({ place, ...spec }) => ({ ...place, ...spec }))
  .filter(({ interfaces }) => new Set(interfaces.map(({ port }) => port)).size === interfaces.length);

export const workload: fc.Arbitrary<Workload> = fc.record({
  kind: fc.constant('Workload' as const),
  metadata: tenantMetadata,
  spec: workloadSpec,
  status: fc.record({
    observedGeneration: fc.nat(),
    dpu: maybe(name),
    movingTo: maybe(name),
    state: maybe(fc.constantFrom(...WORKLOAD_STATES)),
    since: fc.string(),
    restarts: fc.nat(),
    lastTermination: maybe(
      fc.record({
        reason: fc.constantFrom(...TERMINATION_REASONS),
        exitCode: maybe(fc.nat(255)),
        signal: fc.constantFrom('', 'SIGKILL'),
        message: fc.string(),
        time: fc.string(),
      }),
    ),
    isolation: maybe(
      fc.record({ runtime: fc.string(), namespaces: words, limits: words, reason: fc.string() }),
    ),
    ports: fc.array(
      fc.record({
        interface: fc.string(),
        port: fc.string(),
        portUid: fc.string(),
        representor: fc.string(),
        macAddress: fc.string(),
        mtu: fc.nat(),
        addresses: words,
        gateways: words,
      }),
      { maxLength: 2 },
    ),
    interfaces: fc.array(
      fc.record({
        name: fc.string(),
        version: fc.string(),
        methods: fc.array(
          fc.record({ name: fc.string(), request: maybe(jsonObject), response: maybe(jsonObject) }),
          { maxLength: 2 },
        ),
        configuration: maybe(jsonObject),
        yang: fc.string(),
        yangCheck: fc.string(),
      }),
      { maxLength: 2 },
    ),
    ready: fc.boolean(),
    message: fc.string(),
    conditions: conditions('Workload'),
  }),
});

export const workloadConfiguration: fc.Arbitrary<WorkloadConfiguration> = fc.record({
  kind: fc.constant('WorkloadConfiguration' as const),
  metadata: tenantMetadata,
  spec: fc.record({ workload: name, interface: name, configuration: jsonObject }),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpu: maybe(name),
    interfaceVersion: fc.string(),
    appliedGeneration: fc.nat(),
    conditions: conditions('WorkloadConfiguration'),
  }),
});

export const functionPool: fc.Arbitrary<FunctionPool> = fc.record({
  kind: fc.constant('FunctionPool' as const),
  metadata: systemMetadata,
  spec: fc
    .tuple(
      fc.oneof(
        fc.record({ dpu: maybe(name), dpuSelector: nothing }),
        fc.record({ dpu: nothing, dpuSelector: labelSelector }),
      ),
      fc.record({
        attachment: fc.constantFrom(...ATTACHMENTS),
        minimumFree: fc.nat({ max: 256 }),
        maximum: fc.integer({ min: 256, max: 512 }),
      }),
    )
    .chain(([place, size]) =>
      fc.nat({ max: size.attachment === 'DPU' ? 255 : 0 }).chain((pfNumber) => {
        const flavour: fc.Arbitrary<FunctionPool['spec']['flavour']> =
          size.attachment === 'DPU' ? fc.constant('VIRTUAL') : maybe(fc.constantFrom('PCI_VF', 'PCI_SF'));
        return flavour.map((flavour) => ({ ...place, ...size, pfNumber, flavour }));
      }),
    ),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpus: fc.nat(),
    total: fc.nat(),
    used: fc.nat(),
    free: fc.nat(),
    conditions: conditions('FunctionPool'),
  }),
});
