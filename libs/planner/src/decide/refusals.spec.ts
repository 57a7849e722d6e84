import { describe, expect, it } from '@jest/globals';
import type { AppError, Result } from '@outboard/core';
import { checkInvariants, summaryOf } from '../../test/invariants.js';
import { identityOf, Lab } from '../../test/lab.js';

/** blue on dpu-1 and dpu-2 with web-0 at 10.0.0.10, and an empty red in the same router. */
function world(): Lab {
  const lab = new Lab({ vniRange: { first: 100, last: 102 } });
  lab.fleet(['dpu-1', 'dpu-2'], 3);
  lab.apply('Network', 'blue', {});
  lab.apply('Network', 'red', { segment: { segmentationId: 7000 } });
  lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/28' });
  lab.apply('Subnet', 'red-v4', { network: 'red', cidr: '10.0.1.0/24' });
  lab.apply('Port', 'web-0', {
    network: 'blue',
    function: identityOf('dpu-1', 0),
    macAddress: '02:00:00:00:00:01',
    addresses: [{ subnet: 'blue-v4', ip: '10.0.0.10' }],
  });
  lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-2', 0) });
  return lab;
}

interface Expected {
  readonly code: AppError['code'];
  readonly reason: string | undefined;
  /** Each `field: description`, or the message when there are no fields. */
  readonly problems: readonly string[];
}

type Case = readonly [rule: string, act: (lab: Lab) => Result<unknown, AppError>, expected: Expected];

const port = (lab: Lab, spec: object) => lab.tryApply('Port', 'web-9', { network: 'blue', ...spec });

const CASES: readonly Case[] = [
  [
    'a subnet of a network that does not exist',
    (lab) => lab.tryApply('Subnet', 'x', { network: 'nowhere', cidr: '10.9.0.0/24' }),
    {
      code: 'NOT_FOUND',
      reason: 'NETWORK_NOT_FOUND',
      problems: ['spec.network: network nowhere does not exist'],
    },
  ],
  [
    'a subnet that overlaps another of its network',
    (lab) => lab.tryApply('Subnet', 'x', { network: 'blue', cidr: '10.0.0.0/24' }),
    {
      code: 'FAILED_PRECONDITION',
      reason: 'SUBNET_OVERLAPS',
      problems: ['spec.cidr: overlaps 10.0.0.0/28 of subnet acme/blue-v4, in the same router'],
    },
  ],
  [
    'a subnet that overlaps one of another network of its router',
    (lab) => lab.tryApply('Subnet', 'x', { network: 'blue', cidr: '10.0.1.128/25' }),
    {
      code: 'FAILED_PRECONDITION',
      reason: 'SUBNET_OVERLAPS',
      problems: ['spec.cidr: overlaps 10.0.1.0/24 of subnet acme/red-v4, in the same router'],
    },
  ],
  [
    'what a subnet cannot change',
    (lab) => lab.tryApply('Subnet', 'blue-v4', { network: 'red', cidr: '10.7.0.0/24' }),
    {
      code: 'INVALID_ARGUMENT',
      reason: 'IMMUTABLE_FIELD',
      problems: ['spec.network: cannot change; it is blue', 'spec.cidr: cannot change; it is 10.0.0.0/28'],
    },
  ],
  [
    'a gateway that a port has',
    (lab) =>
      lab.tryApply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/28', gateway: '10.0.0.10' }),
    {
      code: 'ALREADY_EXISTS',
      reason: 'ADDRESS_TAKEN',
      problems: ['spec.gateway: 10.0.0.10 is held by port acme/web-0'],
    },
  ],
  [
    'a segment that another network has',
    (lab) => lab.tryApply('Network', 'x', { segment: { segmentationId: 7000 } }),
    {
      code: 'ALREADY_EXISTS',
      reason: 'SEGMENT_TAKEN',
      problems: ['spec.segment.segmentationId: 7000 is held by network acme/red'],
    },
  ],
  [
    'another segment than was allocated, and another router',
    (lab) => lab.tryApply('Network', 'red', { router: 'edge', segment: { segmentationId: 7001 } }),
    {
      code: 'INVALID_ARGUMENT',
      reason: 'IMMUTABLE_FIELD',
      problems: [
        'spec.router: cannot change; it is default',
        'spec.segment.segmentationId: must be 7000, as allocated, or absent',
      ],
    },
  ],
  [
    'a network when no segment is free',
    (lab) => {
      lab.apply('Network', 'x-1', {});
      lab.apply('Network', 'x-2', {});
      return lab.tryApply('Network', 'x-3', {});
    },
    {
      code: 'RESOURCE_EXHAUSTED',
      reason: 'SEGMENTS_EXHAUSTED',
      problems: ['spec.segment.segmentationId: no identifier of 100-102 is free'],
    },
  ],
  [
    'an MTU that a DPU of the network cannot carry',
    (lab) => lab.tryApply('Network', 'blue', { mtu: 9000 }),
    {
      code: 'FAILED_PRECONDITION',
      reason: 'MTU_EXCEEDS_UNDERLAY',
      problems: ["spec.mtu: 2 of the network's DPUs cannot carry 9000 bytes: dpu-1, dpu-2"],
    },
  ],
  [
    'a port on a network whose MTU its DPU cannot carry',
    (lab) => {
      lab.apply('Network', 'jumbo', { mtu: 9000 });
      return lab.tryApply('Port', 'x', { network: 'jumbo', function: identityOf('dpu-1', 1) });
    },
    {
      code: 'FAILED_PRECONDITION',
      reason: 'MTU_EXCEEDS_UNDERLAY',
      problems: ['spec.network: dpu-1 carries 1450 bytes, 9000 are needed'],
    },
  ],
  [
    'a port of a network that does not exist',
    (lab) => port(lab, { network: 'nowhere' }),
    {
      code: 'NOT_FOUND',
      reason: 'NETWORK_NOT_FOUND',
      problems: ['spec.network: network nowhere does not exist'],
    },
  ],
  [
    'a port that changes its network',
    (lab) => lab.tryApply('Port', 'web-0', { network: 'red', addresses: [{ subnet: 'blue-v4' }] }),
    {
      code: 'INVALID_ARGUMENT',
      reason: 'IMMUTABLE_FIELD',
      problems: ['spec.network: cannot change; it is blue'],
    },
  ],
  [
    'an address of a subnet that does not exist',
    (lab) => port(lab, { addresses: [{ subnet: 'nowhere' }] }),
    {
      code: 'NOT_FOUND',
      reason: 'SUBNET_NOT_FOUND',
      problems: ['spec.addresses[0].subnet: subnet nowhere does not exist'],
    },
  ],
  [
    "an address of another network's subnet",
    (lab) => port(lab, { addresses: [{ subnet: 'red-v4' }] }),
    {
      code: 'INVALID_ARGUMENT',
      reason: 'SUBNET_OF_OTHER_NETWORK',
      problems: ['spec.addresses[0].subnet: subnet red-v4 is of network acme/red, not of blue'],
    },
  ],
  [
    'an address outside its subnet',
    (lab) => port(lab, { addresses: [{ subnet: 'blue-v4', ip: '10.0.9.9' }] }),
    {
      code: 'INVALID_ARGUMENT',
      reason: 'ADDRESS_NOT_USABLE',
      problems: ['spec.addresses[0].ip: must be in 10.0.0.0/28'],
    },
  ],
  [
    'an address of another family',
    (lab) => port(lab, { addresses: [{ subnet: 'blue-v4', ip: '2001:db8::1' }] }),
    {
      code: 'INVALID_ARGUMENT',
      reason: 'ADDRESS_NOT_USABLE',
      problems: ['spec.addresses[0].ip: must be in 10.0.0.0/28'],
    },
  ],
  [
    "the gateway's address",
    (lab) => port(lab, { addresses: [{ subnet: 'blue-v4', ip: '10.0.0.1' }] }),
    {
      code: 'INVALID_ARGUMENT',
      reason: 'ADDRESS_NOT_USABLE',
      problems: ['spec.addresses[0].ip: 10.0.0.1 is the gateway of subnet acme/blue-v4'],
    },
  ],
  ...(['10.0.0.0', '10.0.0.15'] as const).map(
    (ip): Case => [
      `the ${ip === '10.0.0.0' ? 'network' : 'broadcast'} address`,
      (lab) => port(lab, { addresses: [{ subnet: 'blue-v4', ip }] }),
      {
        code: 'INVALID_ARGUMENT',
        reason: 'ADDRESS_NOT_USABLE',
        problems: ['spec.addresses[0].ip: must be a host address of 10.0.0.0/28'],
      },
    ],
  ),
  [
    'an address that another port has',
    (lab) => port(lab, { addresses: [{ subnet: 'blue-v4', ip: '10.0.0.10' }] }),
    {
      code: 'ALREADY_EXISTS',
      reason: 'ADDRESS_TAKEN',
      problems: ['spec.addresses[0].ip: 10.0.0.10 is held by port acme/web-0'],
    },
  ],
  [
    'an address of a subnet that has none left',
    (lab) => {
      for (let index = 0; index < 11; index++) lab.apply('Port', `fill-${index}`, { network: 'blue' });
      return port(lab, { addresses: [{ subnet: 'blue-v4' }] });
    },
    {
      code: 'RESOURCE_EXHAUSTED',
      reason: 'SUBNET_EXHAUSTED',
      problems: ['spec.addresses[0]: subnet blue-v4 (10.0.0.0/28) has no free address: of 13, 13 are in use'],
    },
  ],
  [
    'a MAC address that another port of the network has',
    (lab) => port(lab, { macAddress: '02:00:00:00:00:01' }),
    {
      code: 'ALREADY_EXISTS',
      reason: 'MAC_ADDRESS_TAKEN',
      problems: ['spec.macAddress: 02:00:00:00:00:01 is held by port acme/web-0'],
    },
  ],
  [
    'a function that another port has bound',
    (lab) => port(lab, { function: identityOf('dpu-1', 0) }),
    {
      code: 'ALREADY_EXISTS',
      reason: 'FUNCTION_BOUND',
      problems: ['spec.function: is bound by port acme/web-0'],
    },
  ],
  [
    'a function that a port of another tenant has bound, without naming either',
    (lab) => {
      lab.apply('Network', 'blue', {}, { tenant: 'globex' });
      const spec = { network: 'blue', function: identityOf('dpu-1', 0) };
      return lab.tryApply('Port', 'web-9', spec, { tenant: 'globex' });
    },
    {
      code: 'ALREADY_EXISTS',
      reason: 'FUNCTION_BOUND',
      problems: ['spec.function: is bound by a port of another tenant'],
    },
  ],
  [
    'offload where there is no hardware',
    (lab) => port(lab, { function: identityOf('dpu-1', 1), offload: 'REQUIRED' }),
    {
      code: 'FAILED_PRECONDITION',
      reason: 'OFFLOAD_UNAVAILABLE',
      problems: ['spec.offload: dpu-1 cannot realise ports in hardware'],
    },
  ],
  [
    'everything that is wrong at once',
    (lab) =>
      port(lab, {
        function: identityOf('dpu-1', 0),
        macAddress: '02:00:00:00:00:01',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.0.10' }, { subnet: 'nowhere' }],
        offload: 'REQUIRED',
      }),
    {
      code: 'INVALID_ARGUMENT',
      reason: undefined,
      problems: [
        'spec.function: is bound by port acme/web-0',
        'spec.offload: dpu-1 cannot realise ports in hardware',
        'spec.addresses[0].ip: 10.0.0.10 is held by port acme/web-0',
        'spec.addresses[1].subnet: subnet nowhere does not exist',
        'spec.macAddress: 02:00:00:00:00:01 is held by port acme/web-0',
      ],
    },
  ],
  [
    'deleting a network that has subnets and ports',
    (lab) => lab.tryDelete('Network', 'blue'),
    {
      code: 'FAILED_PRECONDITION',
      reason: 'IN_USE',
      problems: ['network acme/blue is in use by 3: port acme/web-0, port acme/web-1, subnet acme/blue-v4'],
    },
  ],
  [
    'deleting a subnet of which ports have addresses, naming the first ten',
    (lab) => {
      for (let index = 0; index < 10; index++) lab.apply('Port', `a-${index}`, { network: 'blue' });
      return lab.tryDelete('Subnet', 'blue-v4');
    },
    {
      code: 'FAILED_PRECONDITION',
      reason: 'IN_USE',
      problems: [
        `subnet acme/blue-v4 is in use by 12: ${Array.from({ length: 10 }, (_, index) => `port acme/a-${index}`).join(', ')} and 2 more`,
      ],
    },
  ],
  ...(['Network', 'Subnet', 'Port'] as const).map(
    (kind): Case => [
      `deleting a ${kind} that does not exist`,
      (lab) => lab.tryDelete(kind, 'nothing'),
      {
        code: 'NOT_FOUND',
        reason: 'NOT_FOUND',
        problems: [`${kind.toLowerCase()} acme/nothing does not exist`],
      },
    ],
  ),
  [
    'creating what exists',
    (lab) => lab.tryApply('Network', 'red', {}, { existence: 'create' }),
    { code: 'ALREADY_EXISTS', reason: 'EXISTS', problems: ['network acme/red exists already'] },
  ],
  [
    'updating what does not exist',
    (lab) => lab.tryApply('Network', 'green', {}, { existence: 'update' }),
    { code: 'NOT_FOUND', reason: 'NOT_FOUND', problems: ['network acme/green does not exist'] },
  ],
  [
    'an update of another version',
    (lab) => lab.tryApply('Network', 'red', {}, { resourceVersion: '3' }),
    {
      code: 'ABORTED',
      reason: 'STALE',
      problems: ['network acme/red is not at resource version 3: it is at 11'],
    },
  ],
  [
    'an update of what was deleted meanwhile',
    (lab) => lab.tryApply('Network', 'green', {}, { resourceVersion: '3' }),
    {
      code: 'ABORTED',
      reason: 'STALE',
      problems: ['network acme/green is not at resource version 3: it does not exist'],
    },
  ],
  [
    'a delete of another version',
    (lab) =>
      lab.decide({ operation: 'delete', kind: 'Port', tenant: 'acme', name: 'web-0', resourceVersion: '3' }),
    {
      code: 'ABORTED',
      reason: 'STALE',
      problems: ['port acme/web-0 is not at resource version 3: it is at 14'],
    },
  ],
  [
    'an update of one that was created anew under the name',
    (lab) => lab.tryApply('Network', 'red', {}, { uid: '00000000-0000-7000-8000-0000000000ff' }),
    {
      code: 'ABORTED',
      reason: 'UID_MISMATCH',
      problems: [
        'network acme/red is not 00000000-0000-7000-8000-0000000000ff: it is 00000000-0000-7000-8000-000000000002',
      ],
    },
  ],
];

describe('refused, with nothing changed:', () => {
  it.each(CASES)('%s', (_, act, expected) => {
    const lab = world();
    const decide = lab.decide.bind(lab);
    lab.decide = (command) => {
      const before = summaryOf(lab.world);
      const decided = decide(command);
      if (!decided.ok) expect(summaryOf(lab.world)).toEqual(before);
      return decided;
    };
    const result = act(lab);
    if (result.ok) throw new Error('was accepted');
    const { code, reason, message, violations } = result.error;
    const problems = violations.map(({ field, description }) => `${field}: ${description}`);
    expect({ code, reason, problems: problems.length > 0 ? problems : [message] }).toEqual(expected);
    checkInvariants(lab);
  });

  it('a port in a network that remembers too many released ports', () => {
    const lab = world();
    const network = lab.world.networks.get('acme/blue');
    Object.defineProperty(network?.releases, 'size', { value: 65_536 });
    const refused = port(lab, {});
    expect(refused).toMatchObject({
      ok: false,
      error: { code: 'RESOURCE_EXHAUSTED', reason: 'QUARANTINE_FULL' },
    });
  });
});
