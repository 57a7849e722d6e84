import fc from 'fast-check';
import {
  addressBits,
  type Condition,
  type ConditionUpdateOf,
  type DeviceName,
  type FunctionIdentity,
  type IpPrefix,
  ipFamily,
  ipFromNumber,
  type KindName,
  kindOf,
  LABEL_OPERATORS,
  type LabelRequirement,
  type LabelSelector,
  type MacAddress,
  type Metadata,
  type Mtu,
  type Name,
  type PortName,
  PROBLEM_STATES,
  prefixOf,
  type SegmentationId,
  type SerialNumber,
  SYSTEM_TENANT,
  type TenantName,
  type Uid,
  updateConditions,
} from '../../src/index.js';

export const maybe = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(arbitrary, { nil: undefined });

/** Canonical base64 of so many bytes. */
export const base64 = (length: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((bytes) => Buffer.from(bytes).toString('base64'));

export const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?$/) as unknown as fc.Arbitrary<Name>;

const uid = fc.uuid() as unknown as fc.Arbitrary<Uid>;

export const segmentationId = (min: number, max: number) =>
  fc.integer({ min, max }) as unknown as fc.Arbitrary<SegmentationId>;

export const vni = segmentationId(1, 0xffffff);

export const vlanId = segmentationId(1, 4094);

export const mtu = fc.integer({ min: 1280, max: 9000 }) as unknown as fc.Arbitrary<Mtu>;

export const serialNumber = fc.stringMatching(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,10}$/,
) as unknown as fc.Arbitrary<SerialNumber>;

export const macAddress = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((octets) => [((octets[0] ?? 0) & 0xfe) | 2, ...octets.slice(1)])
  .map((octets) => octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':') as MacAddress);

/** Global-unicast-looking addresses of both families. */
export const ipAddress = fc.oneof(
  fc.integer({ min: 0x0a000000, max: 0x0affffff }).map((value) => ipFromNumber(4, BigInt(value))),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ipFromNumber(6, (0x20010db8n << 96n) | value)),
);

export const ipPrefix: fc.Arbitrary<IpPrefix> = fc
  .tuple(ipAddress, fc.integer({ min: 0, max: 96 }))
  .map(([address, hostBits]) => {
    const bits = addressBits(ipFamily(address));
    return prefixOf(address, Math.max(8, bits - hostBits));
  });

export const labels = fc.dictionary(
  fc.oneof(
    fc.stringMatching(/^[a-z]{1,8}$/),
    fc.stringMatching(/^[a-z]{1,8}\.org\/[A-Za-z][A-Za-z0-9_]{0,6}[0-9]$/),
  ),
  fc.stringMatching(/^([A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?)?$/),
  { maxKeys: 4, noNullPrototype: true },
);

const metadata = (tenant: fc.Arbitrary<TenantName>): fc.Arbitrary<Metadata> =>
  fc.record({
    tenant,
    name,
    uid,
    labels,
    generation: fc.nat(),
    resourceVersion: fc.nat().map(String),
  });

export const tenantMetadata = metadata(name as unknown as fc.Arbitrary<TenantName>);

export const systemMetadata = metadata(fc.constant(SYSTEM_TENANT));

/** Conditions that a series of random updates leads to. */
export function conditions<Kind extends KindName>(kind: Kind): fc.Arbitrary<readonly Condition[]> {
  const known = Object.entries(kindOf({ kind }).reasons).flatMap(([type, reasons]) =>
    Object.keys(reasons).map((reason) => ({ type, reason })),
  );
  const update = fc
    .tuple(fc.constantFrom(...known), fc.constantFrom('', '1 of 1 DPU'))
    .map(([chosen, message]) => ({ ...chosen, message }) as ConditionUpdateOf<Kind>);
  const step = fc.record({ updates: fc.array(update, { maxLength: 3 }), generation: fc.nat({ max: 9 }) });
  return fc
    .array(step, { minLength: 1, maxLength: 4 })
    .map((steps) =>
      steps.reduce<readonly Condition[]>(
        (before, { updates, generation }, index) =>
          updateConditions(kind, before, updates, generation, 1_700_000_000_000 + index * 1000),
        [],
      ),
    );
}

const physicalFunction = { serialNumber, pfMacAddress: macAddress };

export const functionIdentity: fc.Arbitrary<FunctionIdentity> = fc.oneof(
  fc.record({ ...physicalFunction, vfNumber: maybe(fc.nat({ max: 4095 })) }),
  fc.record({ ...physicalFunction, vfNumber: fc.constant(undefined), sfNumber: fc.nat({ max: 65_535 }) }),
);

export const nothing = fc.constant(undefined);

export const dpuProblems = fc.array(
  fc.record({
    dpu: name,
    object: fc.string(),
    state: fc.constantFrom(...PROBLEM_STATES),
    message: fc.string(),
  }),
  { maxLength: 2 },
);

export const portName = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/) as unknown as fc.Arbitrary<PortName>;

export const portNumber = fc.integer({ min: 1, max: 65535 });

const requirement: fc.Arbitrary<LabelRequirement> = fc
  .record({
    key: fc.stringMatching(/^[a-z]{1,8}$/),
    operator: fc.constantFrom(...LABEL_OPERATORS),
    values: fc.array(fc.stringMatching(/^[a-z]{1,4}$/), { minLength: 1, maxLength: 3 }),
  })
  .map((each) => (each.operator === 'In' || each.operator === 'NotIn' ? each : { ...each, values: [] }));

export const labelSelector: fc.Arbitrary<LabelSelector> = fc.record({
  matchLabels: labels,
  matchExpressions: fc.array(requirement, { maxLength: 2 }),
});

export const uplink = fc.constantFrom('p0', 'eth0.100', 'bond-0') as unknown as fc.Arbitrary<DeviceName>;

export const propagated = maybe(
  fc.record({ applied: fc.nat(), total: fc.nat(), lagging: fc.array(name, { maxLength: 3 }) }),
);

/** Not empty: protobuf does not tell an empty string from an absent one. */
export const told = maybe(fc.string({ minLength: 1 }));

export const uint32 = fc.nat();
