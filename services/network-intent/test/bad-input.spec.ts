import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MAX_BODY_BYTES, subjects } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import type { PlannedKind } from '@outboard/planner';
import type { Key } from '@outboard/store';
import { NetworkDomain } from '../src/domain/network-domain.js';
import { functionOf, NetworkLaboratory } from './network-laboratory.js';

type Kind = PlannedKind;

/** All that the service owns. */
const KINDS = new NetworkDomain().kinds;

/** Fields of the violations of a refusal, and its reason. */
const problemsOf = ({ json }: { json: { details?: readonly Record<string, unknown>[] } }): string[] =>
  (json.details ?? []).flatMap(({ reason, fieldViolations = [] }) => [
    ...(reason ? [String(reason)] : []),
    ...(fieldViolations as { field: string }[]).map(({ field }) => field),
  ]);

describe('an intent that breaks a rule is refused by an event that tells the field and the rule', () => {
  let laboratory: NetworkLaboratory;
  let revisions: unknown;
  const kept = (): unknown =>
    laboratory.store.read((snapshot) =>
      KINDS.map((kind) =>
        snapshot
          .list(kind, { limit: 10_000 })
          .rows.map(({ key, revision }: { key: Key; revision: number }) => [key.name, revision]),
      ),
    );

  beforeAll(async () => {
    laboratory = await NetworkLaboratory.open();
    await laboratory.fleet(['dpu-1'], 4);
    await laboratory.admin.putDpu('dpu-small', { mtu: 1400 });
    await laboratory.admin.putFunction('dpu-small', 0);
    await laboratory.quiet();
    await laboratory.blue({ mtu: 1450, segment: { segmentationId: 5001 } });
    await laboratory.apply('Network', 'theirs', {}, { tenant: 'umbrella' });
    await laboratory.apply('Network', 'green', {});
    await laboratory.apply('Subnet', 'green-v4', { network: 'green', cidr: '10.0.2.0/24' });
    await laboratory.apply('Subnet', 'tiny', { network: 'green', cidr: '10.0.3.0/30' });
    const tiny = { network: 'green', addresses: [{ subnet: 'tiny' }] };
    await laboratory.apply('Port', 'tiny-0', tiny);
    await laboratory.apply('Port', 'web-0', {
      network: 'blue',
      function: functionOf('dpu-1', 0),
      addresses: [{ subnet: 'blue-v4', ip: '10.0.1.5' }],
      macAddress: '02:00:5e:00:10:05',
    });
    await laboratory.quiet();
    expect(laboratory.events.filter(({ transition }) => transition === 'refused')).toEqual([]);
  });
  beforeEach(() => {
    revisions = kept();
  });
  afterAll(() => laboratory.close());

  const port = (more: object) => ({ network: 'blue', ...more });
  const address = (ip: string, subnet = 'blue-v4') => port({ addresses: [{ subnet, ip }] });

  it.each<[string, Kind, string, object, readonly string[]]>([
    ['an unknown field', 'Network', 'n', { colour: 'red' }, ['spec.colour']],
    ['a number for a text', 'Network', 'n', { router: 7 }, ['spec.router']],
    ['a text for a number', 'Network', 'n', { mtu: '1450x' }, ['spec.mtu']],
    ['a fraction', 'Network', 'n', { mtu: 1450.5 }, ['spec.mtu']],
    ['too small an MTU', 'Network', 'n', { mtu: 1279 }, ['spec.mtu']],
    [
      'a segment that is taken',
      'Network',
      'n',
      { segment: { segmentationId: 5001 } },
      ['SEGMENT_TAKEN', 'spec.segment.segmentationId'],
    ],
    [
      'a segment beyond 24 bits',
      'Network',
      'n',
      { segment: { segmentationId: 2 ** 24 } },
      ['spec.segment.segmentationId'],
    ],
    [
      'an unknown encapsulation',
      'Network',
      'n',
      { segment: { networkType: 'GRE' } },
      ['spec.segment.networkType'],
    ],
    [
      'an encapsulation that no policy allows',
      'Network',
      'n',
      { segment: { networkType: 'VLAN' } },
      ['SEGMENT_OUTSIDE_POLICY', 'spec.segment.networkType'],
    ],
    [
      'a VLAN of no fabric, and a tenant that is no name',
      'EncapsulationPolicy',
      'e',
      { tenant: 'a.b', defaultSegment: { networkType: 'VLAN' } },
      ['spec.tenant', 'spec.defaultSegment.physicalNetwork'],
    ],
    [
      'an unknown physical network',
      'EncapsulationPolicy',
      'e',
      {
        defaultSegment: { networkType: 'VLAN', physicalNetwork: 'nowhere' },
        allowed: [{ networkType: 'VXLAN', maximum: 9999 }],
      },
      ['PHYSICAL_NETWORK_NOT_FOUND', 'spec.defaultSegment.physicalNetwork'],
    ],
    [
      'a policy that forbids what a network asks for',
      'EncapsulationPolicy',
      'e',
      { defaultSegment: { networkType: 'GENEVE' } },
      ['POLICY_IN_USE', 'spec.allowed'],
    ],
    [
      'VLANs beyond 12 bits, and DPUs both named and selected',
      'PhysicalNetwork',
      'f',
      {
        vlanRanges: [{ minimum: 1, maximum: 4095 }],
        attachments: [{ uplink: 'p0', dpus: ['dpu-1'], dpuSelector: {} }],
      },
      ['spec.vlanRanges[0].maximum', 'spec.attachments[0]'],
    ],
    [
      'a VLAN with a function, of nobody, by a tag that is reserved',
      'Port',
      'p',
      { network: 'blue', function: functionOf('dpu-1', 0), trunk: { vlanId: 4095 } },
      ['spec.trunk.parent', 'spec.trunk.vlanId', 'spec.function'],
    ],
    ['an object of layer 1 that is none', 'NetlinkObject', 'o', {}, ['spec']],
    [
      'an object of layer 1 that is two',
      'NetlinkObject',
      'o',
      { network: 'blue', neigh: { dst: '10.0.1.9' }, fdb: {} },
      ['spec', 'spec.neigh.lladdr', 'spec.port', 'spec.fdb.lladdr'],
    ],
    [
      'a route in a network, to what is never forwarded, with two ways and hops that are none',
      'NetlinkObject',
      'o',
      {
        network: 'blue',
        port: 'web-0',
        route: { dst: '127.0.0.0/8', gateway: 'x', multipath: [{ rtnhHops: 256 }] },
      },
      [
        'spec.network',
        'spec.port',
        'spec.route.dst',
        'spec.route',
        'spec.route.gateway',
        'spec.route.multipath',
        'spec.route.multipath[0].rtnhHops',
        'spec.route.multipath[0].gateway',
      ],
    ],
    [
      'a route by another family, and one of an unknown type',
      'NetlinkObject',
      'o',
      { route: { dst: '172.20.0.0/16', gateway: 'fd00::1', rtmType: 'throw', metrics: { mtu: 60 } } },
      [
        'spec.route',
        'spec.route.rtmType',
        'spec.route.metrics',
        'spec.route.metrics.mtu',
        'spec.route.gateway',
      ],
    ],
    [
      'a neighbour for everybody',
      'NetlinkObject',
      'o',
      { network: 'blue', neigh: { dst: '224.0.0.1', lladdr: '01:00:5e:00:00:01' } },
      ['spec.neigh.dst', 'spec.neigh.lladdr'],
    ],
    [
      'a forwarding entry in a router, to nobody, on DPUs that are none',
      'NetlinkObject',
      'o',
      { router: 'default', fdb: { lladdr: '0' }, dpus: ['dpu-1', 'dpu-1', ''] },
      ['spec.dpus[2]', 'spec.dpus[1]', 'spec.router', 'spec.network', 'spec.port', 'spec.fdb.lladdr'],
    ],
    [
      'an address that names its network',
      'NetlinkObject',
      'o',
      { network: 'blue', addr: { address: '10.9.0.0', ifaPrefixlen: 24 } },
      ['spec.addr.address'],
    ],
    [
      'an address without a link',
      'NetlinkObject',
      'o',
      { network: 'blue', addr: { address: '10.9.0.1', ifaPrefixlen: 32 } },
      ['spec.addr.ifaPrefixlen'],
    ],
    [
      'the neighbour that a port is',
      'NetlinkObject',
      'o',
      { network: 'blue', neigh: { dst: '10.0.1.5', lladdr: '02:00:5e:00:00:01' } },
      ['PLACE_TAKEN', 'spec.neigh.dst'],
    ],
    [
      'a change of what cannot change',
      'Network',
      'blue',
      { router: 'other' },
      ['IMMUTABLE_FIELD', 'spec.router'],
    ],
    [
      'an MTU that a DPU cannot carry',
      'Network',
      'blue',
      { mtu: 9000 },
      ['MTU_EXCEEDS_UNDERLAY', 'spec.mtu'],
    ],
    ['no network', 'Subnet', 's', { cidr: '10.1.0.0/24' }, ['spec.network']],
    [
      'an unknown network',
      'Subnet',
      's',
      { network: 'red', cidr: '10.1.0.0/24' },
      ['NETWORK_NOT_FOUND', 'spec.network'],
    ],
    [
      'a network of another tenant',
      'Subnet',
      's',
      { network: 'theirs', cidr: '10.1.0.0/24' },
      ['NETWORK_NOT_FOUND', 'spec.network'],
    ],
    [
      'an overlap in its network',
      'Subnet',
      's',
      { network: 'blue', cidr: '10.0.1.128/25' },
      ['SUBNET_OVERLAPS', 'spec.cidr'],
    ],
    [
      'an overlap in its router',
      'Subnet',
      's',
      { network: 'green', cidr: '10.0.0.0/16' },
      ['SUBNET_OVERLAPS', 'spec.cidr', 'spec.cidr', 'spec.cidr'],
    ],
    ['host bits in a prefix', 'Subnet', 's', { network: 'blue', cidr: '10.1.0.1/24' }, ['spec.cidr']],
    [
      'a gateway outside',
      'Subnet',
      's',
      { network: 'blue', cidr: '10.1.0.0/24', gateway: '10.2.0.1' },
      ['spec.gateway'],
    ],
    [
      'a change of its prefix',
      'Subnet',
      'blue-v4',
      { network: 'blue', cidr: '10.1.0.0/24' },
      ['IMMUTABLE_FIELD', 'spec.cidr'],
    ],
    [
      'a function that is bound',
      'Port',
      'p',
      port({ function: functionOf('dpu-1', 0) }),
      ['FUNCTION_BOUND', 'spec.function'],
    ],
    [
      'a VF number beyond all',
      'Port',
      'p',
      port({ function: functionOf('dpu-1', 5_000) }),
      ['spec.function.vfNumber'],
    ],
    [
      'half a function',
      'Port',
      'p',
      port({ function: { vfNumber: 1 } }),
      ['spec.function.serialNumber', 'spec.function.pfMacAddress'],
    ],
    ['a duplicate address', 'Port', 'p', address('10.0.1.5'), ['ADDRESS_TAKEN', 'spec.addresses[0].ip']],
    [
      'the address of the gateway',
      'Port',
      'p',
      address('10.0.1.1'),
      ['ADDRESS_NOT_USABLE', 'spec.addresses[0].ip'],
    ],
    ['an address outside', 'Port', 'p', address('10.0.2.5'), ['ADDRESS_NOT_USABLE', 'spec.addresses[0].ip']],
    ['no address at all', 'Port', 'p', address('10.0.1'), ['spec.addresses[0].ip']],
    [
      'an unknown subnet',
      'Port',
      'p',
      address('10.0.1.9', 'red'),
      ['SUBNET_NOT_FOUND', 'spec.addresses[0].subnet'],
    ],
    [
      'a subnet of another network',
      'Port',
      'p',
      address('10.0.2.9', 'green-v4'),
      ['SUBNET_OF_OTHER_NETWORK', 'spec.addresses[0].subnet'],
    ],
    [
      'an exhausted pool',
      'Port',
      'p',
      { network: 'green', addresses: [{ subnet: 'tiny' }] },
      ['SUBNET_EXHAUSTED', 'spec.addresses[0]'],
    ],
    [
      'a duplicate MAC address',
      'Port',
      'p',
      port({ macAddress: '02:00:5e:00:10:05' }),
      ['MAC_ADDRESS_TAKEN', 'spec.macAddress'],
    ],
    ['a group MAC address', 'Port', 'p', port({ macAddress: '01:00:5e:00:10:05' }), ['spec.macAddress']],
    ['a move to another network', 'Port', 'web-0', { network: 'green' }, ['IMMUTABLE_FIELD', 'spec.network']],
    ['an unknown state', 'Port', 'p', port({ adminState: 'SIDEWAYS' }), ['spec.adminState']],
    [
      'a policy that does not exist',
      'Port',
      'p',
      port({ securityPolicies: ['web'] }),
      ['POLICY_NOT_FOUND', 'spec.securityPolicies[0]'],
    ],
    [
      'an address set that does not exist',
      'SecurityPolicy',
      'p',
      { egress: [{}, { peers: [{ addressSet: 'office' }] }] },
      ['ADDRESS_SET_NOT_FOUND', 'spec.egress[1].peers[0].addressSet'],
    ],
    [
      'a policy with several problems',
      'SecurityPolicy',
      'p',
      { tier: 'BASELINE', ingress: [{ action: 'PASS', peers: [{}], services: [{ port: 80 }] }] },
      [
        'spec.priority',
        'spec.ingress[0].action',
        'spec.ingress[0].peers[0]',
        'spec.ingress[0].services[0].port',
      ],
    ],
    [
      'overlapping addresses',
      'AddressSet',
      'p',
      { addresses: ['10.0.0.0/8', 'nowhere', '10.1.0.1'] },
      ['spec.addresses[1]', 'spec.addresses[2]'],
    ],
    [
      'a router whose routes lead nowhere, and whose gateway is none',
      'Router',
      'r',
      {
        routes: [
          { destination: '10.0.0.1/8' },
          {
            destination: '172.16.0.0/12',
            nextHops: [{ address: 'fd00::1' }, { address: '10.0.1.9', weight: 300 }],
          },
          { destination: '172.16.0.0/12', nextHops: [{ address: '10.0.1.9' }, { address: '10.0.1.9' }] },
        ],
        externalGateway: { sourceNat: 'MASQUERADE', ipFamilies: ['IPV4', 'IPV4'] },
      },
      [
        'spec.routes[0].destination',
        'spec.routes[0].nextHops',
        'spec.routes[1].nextHops[1].weight',
        'spec.routes[1].nextHops[0].address',
        'spec.routes[2].nextHops[1].address',
        'spec.routes[2].destination',
        'spec.externalGateway.sourceNat',
        'spec.externalGateway.ipFamilies[1]',
      ],
    ],
    [
      'a chain of nobody, by hops that are none',
      'ServiceChain',
      'c',
      { hops: [{}, { name: 'h', ingressPort: 'a.b', workload: 'fw' }], failureMode: 'FAIL_LOUD' },
      [
        'spec.hops[1].workload',
        'spec.ports',
        'spec.destination',
        'spec.hops[0].name',
        'spec.hops[0].ingressPort',
        'spec.hops[1].ingressPort',
        'spec.failureMode',
      ],
    ],
    [
      'hardware that is not there',
      'Port',
      'p',
      port({ function: functionOf('dpu-1', 1), offload: 'REQUIRED' }),
      ['OFFLOAD_UNAVAILABLE', 'spec.offload'],
    ],
    [
      'an underlay that is too small',
      'Port',
      'p',
      port({ function: functionOf('dpu-small', 0) }),
      ['MTU_EXCEEDS_UNDERLAY', 'spec.network'],
    ],
  ])('%s (%s)', async (_, kind, name, spec, problems) => {
    const refused = await laboratory.apply(kind, name, spec);
    expect(refused.transition).toBe('refused');
    expect(problemsOf(refused)).toEqual(problems);
    expect(kept()).toEqual(revisions);
  });

  it('several problems at once are told at once', async () => {
    const refused = await laboratory.apply('Port', 'p', {
      network: 'blue',
      function: functionOf('dpu-1', 0),
      addresses: [{ subnet: 'blue-v4', ip: '10.0.1.5' }],
      macAddress: '02:00:5e:00:10:05',
    });
    expect(problemsOf(refused).sort()).toEqual(['spec.addresses[0].ip', 'spec.function', 'spec.macAddress']);
  });

  it('a thousand problems of one manifest are counted, a hundred listed', async () => {
    const allowedAddressPairs = Array.from({ length: 1_000 }, () => ({ ip: 'nonsense' }));
    const { json } = await laboratory.apply('Port', 'p', port({ allowedAddressPairs }));
    expect(json.message).toBe('1001 problems');
    expect(problemsOf({ json }).filter((field) => field.startsWith('spec.'))).toHaveLength(100);
  });

  it('a stale version (Port)', async () => {
    const manifest = {
      apiVersion: 'network.outboard.dev/v1alpha1',
      kind: 'Port',
      metadata: { name: 'web-0', resourceVersion: '1' },
      spec: { network: 'blue' },
    };
    expect(await laboratory.request('update', 'port', manifest)).toMatchObject({
      error: { code: 'ABORTED', reason: 'STALE' },
    });
    expect(await laboratory.request('delete', 'port', { name: 'web-0', resourceVersion: '1' })).toMatchObject(
      {
        error: { code: 'ABORTED', reason: 'STALE' },
      },
    );
    expect(kept()).toEqual(revisions);
  });

  it('hostile names, as far as the bus lets them through', async () => {
    for (const name of ['Web', 'web_0', '-web', `${'x'.repeat(64)}`, 'wéb']) {
      const subject = `outboard.v1alpha1.intent.acme.network.port.${name}`;
      const delivery = {
        subject,
        headers: {},
        body: Buffer.from('{}'),
        deliveries: 1,
        streamSequence: 1e6,
        storedAt: 1,
        streamMadeAt: 1,
      };
      expect(await laboratory.service.handleIntent(delivery)).toMatchObject({ kind: 'park' });
    }
    for (const name of ['a.b', 'a b', '*', '>', '../../etc', '', 'x'.repeat(64)]) {
      const manifest = { apiVersion: 'network.outboard.dev/v1alpha1', kind: 'Port', metadata: { name } };
      expect(
        await laboratory.request('create', 'port', { ...manifest, spec: { network: 'blue' } }),
      ).toMatchObject({
        error: { violations: [{ field: 'metadata.name' }] },
      });
    }
    expect(kept()).toEqual(revisions);
  });

  it('a body that is too large: the bus does not take it, and who gets around the bus is refused', async () => {
    const body = Buffer.from(`{"spec":"${'x'.repeat(MAX_BODY_BYTES)}"}`);
    const subject = subjects.intent({ tenant: 'acme', api: 'network', kind: 'port', name: 'large' });
    expect(
      await laboratory.bus.publish(subject, { headers: {}, body }, { messageId: 'large' }),
    ).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', reason: 'BODY_TOO_LARGE' },
    });
    const delivery = {
      subject,
      headers: {},
      body,
      deliveries: 1,
      streamSequence: 1e6,
      storedAt: 1,
      streamMadeAt: 1,
    };
    expect(await laboratory.service.handleIntent(delivery)).toEqual({ kind: 'ack' });
    await laboratory.quiet();
    expect(problemsOf(laboratory.event('large', 'refused'))).toEqual(['BODY_TOO_LARGE', '']);
  });

  it('and the service goes on as if nothing had been', async () => {
    const accepted = await laboratory.apply('Port', 'fine', port({ function: functionOf('dpu-1', 1) }));
    expect(accepted.transition).toBe('accepted');
    unwrap(await laboratory.request('get', 'port', { name: 'fine' }));
    await laboratory.quiet();
    expect(laboratory.condition('fine', 'Ready')).toBe('True AppliedAndReadBack');
  });
});
