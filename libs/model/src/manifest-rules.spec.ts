import { describe, expect, it } from '@jest/globals';
import {
  allowing,
  dpu,
  encapsulationPolicy,
  HOSTS,
  LABEL,
  MAC,
  network,
  physicalNetwork,
  port,
  route,
  router,
  subnet,
  violationsOf,
} from '../test/manifests.js';

/** Manifests that break one rule of their kind: the field and the rule that are told. */
const BROKEN: Readonly<
  Record<string, readonly (readonly [manifest: unknown, field: string, rule: string])[]>
> = {
  Port: [
    [port({ network: '' }), 'spec.network', 'is required'],
    [port({ network: 'a.b' }), 'spec.network', LABEL],
    [port({ addresses: [{ subnet: 'a' }, {}] }), 'spec.addresses[1].subnet', 'is required'],
    [
      port({ addresses: [{ subnet: 'a' }, { subnet: 'b' }, { subnet: 'a' }] }),
      'spec.addresses[2].subnet',
      'must be given once; spec.addresses[0].subnet has it already',
    ],
    [
      port({ addresses: [{ subnet: 'a', ip: '10.0.0.300' }] }),
      'spec.addresses[0].ip',
      'must be an IPv4 or IPv6 address',
    ],
    [
      port({ addresses: Array.from({ length: 17 }, (_, index) => ({ subnet: `s${index}` })) }),
      'spec.addresses',
      'must have at most 16 items, not 17',
    ],
    [port({ macAddress: '02:00:5e:00:10' }), 'spec.macAddress', MAC],
    [port({ macAddress: '0200.5e00.1005' }), 'spec.macAddress', MAC],
    [port({ macAddress: '02:00-5e:00:10:05' }), 'spec.macAddress', MAC],
    [
      port({ macAddress: '03:00:5e:00:10:05' }),
      'spec.macAddress',
      'must be a unicast address: the lowest bit of the first octet must be 0',
    ],
    [port({ macAddress: '00:00:00:00:00:00' }), 'spec.macAddress', 'must not be the null address'],
    [port({ adminState: 'up' }), 'spec.adminState', 'must be one of UP, DOWN'],
    [port({ offload: 'ALWAYS' }), 'spec.offload', 'must be one of PREFERRED, REQUIRED, NEVER'],
    [port({ function: { pfMacAddress: '08:c0:eb:8a:d7:8a' } }), 'spec.function.serialNumber', 'is required'],
    [port({ function: { serialNumber: 'X1' } }), 'spec.function.pfMacAddress', 'is required'],
    [
      port({ function: { serialNumber: 'X1', pfMacAddress: '08:c0:eb:8a:d7:8a', vfNumber: 4096 } }),
      'spec.function.vfNumber',
      'must be 0 to 4095',
    ],
    [
      port({ function: { serialNumber: 'X 1', pfMacAddress: '08:c0:eb:8a:d7:8a' } }),
      'spec.function.serialNumber',
      'must be 1-64 of A-Z, a-z, 0-9, . _ - ; starting with a letter or digit',
    ],
    [
      port({ allowedAddressPairs: [{ ip: 'any' }] }),
      'spec.allowedAddressPairs[0].ip',
      'must be an IPv4 or IPv6 address or a prefix',
    ],
    [
      port({ allowedAddressPairs: [{ ip: '10.0.0.5/24' }] }),
      'spec.allowedAddressPairs[0].ip',
      'must have no host bits; did you mean 10.0.0.0/24?',
    ],
    [
      port({ allowedAddressPairs: [{ ip: '10.0.0.5' }, { ip: '10.0.0.5/32' }] }),
      'spec.allowedAddressPairs[1]',
      'must be given once; spec.allowedAddressPairs[0] has it already',
    ],
    [
      port({ allowedAddressPairs: Array.from({ length: 65 }, (_, index) => ({ ip: `10.0.0.${index}` })) }),
      'spec.allowedAddressPairs',
      'must have at most 64 items, not 65',
    ],
  ],
  Subnet: [
    [subnet({ cidr: '' }), 'spec.cidr', 'is required'],
    [subnet({ cidr: '10.0.1.1/24' }), 'spec.cidr', 'must have no host bits; did you mean 10.0.1.0/24?'],
    [
      subnet({ cidr: '10.0.1.0/31' }),
      'spec.cidr',
      'must have room for a gateway and a host: a prefix length of at most 30',
    ],
    [subnet({ cidr: '127.0.1.0/24' }), 'spec.cidr', 'must not overlap 127.0.0.0/8 (loopback)'],
    [subnet({ cidr: '0.0.0.0/0' }), 'spec.cidr', 'must not overlap 0.0.0.0/8 (this network)'],
    [subnet({ cidr: 'ff02::/64' }), 'spec.cidr', 'must not overlap ff00::/8 (multicast)'],
    [subnet({ gateway: '10.0.2.1' }), 'spec.gateway', HOSTS],
    [subnet({ gateway: '10.0.1.255' }), 'spec.gateway', HOSTS],
    [subnet({ gateway: '2001:db8::1' }), 'spec.gateway', HOSTS],
    [subnet({ allocationRanges: [{ start: '10.0.1.9' }] }), 'spec.allocationRanges[0].end', 'is required'],
    [
      subnet({ allocationRanges: [{ start: '10.0.1.9', end: '10.0.1.8' }] }),
      'spec.allocationRanges[0].end',
      'must not be before start, 10.0.1.9',
    ],
    [
      subnet({ allocationRanges: [{ start: '10.0.1.0', end: '10.0.1.8' }] }),
      'spec.allocationRanges[0].start',
      HOSTS,
    ],
    [
      subnet({
        allocationRanges: [
          { start: '10.0.1.10', end: '10.0.1.20' },
          { start: '10.0.1.30', end: '10.0.1.40' },
          { start: '10.0.1.20', end: '10.0.1.25' },
        ],
      }),
      'spec.allocationRanges[2]',
      'must not overlap spec.allocationRanges[0]',
    ],
    [
      subnet({
        allocationRanges: Array.from({ length: 17 }, (_, index) => ({
          start: `10.0.1.${index + 1}`,
          end: `10.0.1.${index + 1}`,
        })),
      }),
      'spec.allocationRanges',
      'must have at most 16 items, not 17',
    ],
  ],
  Network: [
    [network({ mtu: 1279 }), 'spec.mtu', 'must be 1280 to 9000'],
    [network({ mtu: 9001 }), 'spec.mtu', 'must be 1280 to 9000'],
    [
      network({ segment: { networkType: 'GRE' } }),
      'spec.segment.networkType',
      'must be one of VXLAN, GENEVE, VLAN, FLAT',
    ],
    [
      network({ segment: { networkType: 'VLAN', segmentationId: 4095 } }),
      'spec.segment.segmentationId',
      'must be 1 to 4094',
    ],
    [
      network({ segment: { networkType: 'FLAT', segmentationId: 1 } }),
      'spec.segment.segmentationId',
      'must be absent: frames of a FLAT network bear no identifier',
    ],
    [
      network({ segment: { networkType: 'GENEVE', physicalNetwork: 'physnet1' } }),
      'spec.segment.physicalNetwork',
      'must be absent unless networkType is VLAN or FLAT',
    ],
    [
      network({ segment: { physicalNetwork: 'physnet1' } }),
      'spec.segment.physicalNetwork',
      'must be absent unless networkType is VLAN or FLAT',
    ],
    [
      network({ segment: { segmentationId: 2 ** 24 } }),
      'spec.segment.segmentationId',
      'must be 1 to 16777215',
    ],
    [network({ router: 'Blue' }), 'spec.router', LABEL],
  ],
  EncapsulationPolicy: [
    [encapsulationPolicy({}), 'spec.defaultSegment.networkType', 'is required'],
    [encapsulationPolicy({ tenant: 'a.b', defaultSegment: { networkType: 'VXLAN' } }), 'spec.tenant', LABEL],
    [
      encapsulationPolicy({ defaultSegment: { networkType: 'VXLAN', physicalNetwork: 'physnet1' } }),
      'spec.defaultSegment.physicalNetwork',
      'must be absent with VXLAN',
    ],
    [
      encapsulationPolicy({ defaultSegment: { networkType: 'VXLAN', maximum: 4095 } }),
      'spec.defaultSegment.maximum',
      'must not be less than minimum, 4096',
    ],
    [allowing({ networkType: 'VLAN' }), 'spec.allowed[0].physicalNetwork', 'is required with VLAN'],
    [
      allowing({ networkType: 'VLAN', physicalNetwork: 'physnet1', minimum: 4095 }),
      'spec.allowed[0].minimum',
      'must be 1 to 4094',
    ],
    [
      allowing({ networkType: 'GENEVE', minimum: 200, maximum: 100 }),
      'spec.allowed[0].maximum',
      'must not be less than minimum, 200',
    ],
    [
      allowing({ networkType: 'FLAT', physicalNetwork: 'physnet1', minimum: 1 }),
      'spec.allowed[0].minimum',
      'must be absent: FLAT has no identifiers',
    ],
    [
      allowing(...Array.from({ length: 65 }, () => ({ networkType: 'VXLAN' }))),
      'spec.allowed',
      'must have at most 64 items, not 65',
    ],
  ],
  PhysicalNetwork: [
    [physicalNetwork({ mtu: 9001 }), 'spec.mtu', 'must be 1280 to 9000'],
    [
      physicalNetwork({ vlanRanges: [{ minimum: 0, maximum: 5 }] }),
      'spec.vlanRanges[0].minimum',
      'must be 1 to 4094',
    ],
    [
      physicalNetwork({ vlanRanges: [{ minimum: 6, maximum: 5 }] }),
      'spec.vlanRanges[0].maximum',
      'must not be less than minimum, 6',
    ],
    [
      physicalNetwork({
        vlanRanges: [
          { minimum: 1, maximum: 5 },
          { minimum: 5, maximum: 9 },
        ],
      }),
      'spec.vlanRanges[1]',
      'must not overlap spec.vlanRanges[0]',
    ],
    [
      physicalNetwork({ attachments: [{ uplink: 'p0' }] }),
      'spec.attachments[0]',
      'must have either dpus or dpuSelector',
    ],
    [
      physicalNetwork({ attachments: [{ uplink: 'p0', dpus: ['dpu-1'], dpuSelector: {} }] }),
      'spec.attachments[0]',
      'must have either dpus or dpuSelector',
    ],
    [
      physicalNetwork({ attachments: [{ uplink: 'p/0', dpus: ['dpu-1'] }] }),
      'spec.attachments[0].uplink',
      'must be the name of a network device: 1-15 of A-Z, a-z, 0-9, . _ @ - ; starting with a letter or digit',
    ],
    [
      physicalNetwork({ attachments: [{ uplink: 'p0', dpus: ['dpu-1', 'dpu-1'] }] }),
      'spec.attachments[0].dpus[1]',
      'must be given once; spec.attachments[0].dpus[0] has it already',
    ],
    [
      physicalNetwork({ attachments: [{ uplink: 'p0', dpuSelector: { matchLabels: { 'a/b/c': 'x' } } }] }),
      'spec.attachments[0].dpuSelector.matchLabels["a/b/c"]',
      'must have a key of 1-63 of A-Z, a-z, 0-9, - _ . ; starting and ending with a letter or digit',
    ],
  ],
  Router: [
    [
      route('10.8.0.1/16', '10.0.1.5'),
      'spec.routes[0].destination',
      'must have no host bits; did you mean 10.8.0.0/16?',
    ],
    [
      route('224.0.0.0/4', '10.0.1.5'),
      'spec.routes[0].destination',
      'must not overlap 224.0.0.0/3, which is never forwarded',
    ],
    [route('10.8.0.0/16'), 'spec.routes[0].nextHops', 'is required'],
    [
      route('10.8.0.0/16', 'fd00::5'),
      'spec.routes[0].nextHops[0].address',
      'must be an IPv4 address, as the destination is',
    ],
    [
      route('10.8.0.0/16', '10.0.1.5', '10.0.1.5'),
      'spec.routes[0].nextHops[1].address',
      'must be given once; spec.routes[0].nextHops[0].address has it already',
    ],
    [
      router({ routes: [{ destination: '::/0', nextHops: [{ address: 'fd00::5', weight: 257 }] }] }),
      'spec.routes[0].nextHops[0].weight',
      'must be 1 to 256',
    ],
    [
      router({
        routes: ['10.8.0.0/16', '10.8.0.0/16'].map((destination) => ({
          destination,
          nextHops: [{ address: '10.0.1.5' }],
        })),
      }),
      'spec.routes[1].destination',
      'must be given once; spec.routes[0].destination has it already',
    ],
    [
      router({
        routes: [{ destination: '0.0.0.0/0', nextHops: [{ address: '10.0.1.5' }] }],
        externalGateway: { sourceNat: 'DPU_ADDRESS' },
      }),
      'spec.routes[0].destination',
      'must not be the default route: the external gateway is that',
    ],
    [router({ externalGateway: {} }), 'spec.externalGateway.sourceNat', 'is required'],
    [
      router({ externalGateway: { sourceNat: 'NO' } }),
      'spec.externalGateway.sourceNat',
      'must be DPU_ADDRESS',
    ],
    [
      router({ externalGateway: { sourceNat: 'DPU_ADDRESS', ipFamilies: ['IPV6', 'IPv4'] } }),
      'spec.externalGateway.ipFamilies[1]',
      'must be one of IPV4, IPV6',
    ],
    [
      router({ externalGateway: { sourceNat: 'DPU_ADDRESS', ipFamilies: ['IPV6', 'IPV6'] } }),
      'spec.externalGateway.ipFamilies[1]',
      'must be given once; spec.externalGateway.ipFamilies[0] has it already',
    ],
  ],
  ServiceChain: [
    [
      {
        ...network({ hops: [{ name: 'fw', ingressPort: 'fw-in' }], destination: { external: true } }),
        kind: 'ServiceChain',
      },
      'spec.ports',
      'is required where spec.portSelector is absent',
    ],
  ],
  Dpu: [
    [
      dpu({ serialNumber: '-x' }),
      'spec.serialNumber',
      'must be 1-64 of A-Z, a-z, 0-9, . _ - ; starting with a letter or digit',
    ],
    [
      dpu({ host: 'worker_3' }),
      'spec.host',
      'must be an RFC 1123 subdomain: at most 253 characters, labels of a-z, 0-9, - joined by dots',
    ],
  ],
};

describe.each(Object.entries(BROKEN))('a manifest of a %s', (_kind, broken) => {
  it.each(broken.map(([manifest, field, rule]) => [field, rule, manifest] as const))(
    'is refused with the field and the rule: %s %s',
    (field, description, manifest) => {
      expect(violationsOf(manifest)).toEqual([{ field, description }]);
    },
  );
});
