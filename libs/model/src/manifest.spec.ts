import { describe, expect, it } from '@jest/globals';
import { type AppError, unwrap } from '@outboard/core';
import fc from 'fast-check';
import { anyResource, RESOURCES } from '../test/arbitraries/resources.js';
import { existsInJson, existsInSchema } from '../test/schema-path.js';
import { checkPreconditions } from './decide/index.js';
import {
  type AnyResource,
  checkUpdate,
  decodeResource,
  encodeResource,
  KIND_NAMES,
  KINDS,
  kindOf,
  type Network,
  parseManifest,
  type SegmentationId,
} from './index.js';
import type { IntentMetadata } from './resource.js';

/** A Port intent: the example of the architecture, verbatim. */
const PORT = `{"apiVersion":"network.outboard.dev/v1alpha1","kind":"Port","metadata":{"tenant":"acme","name":"web-0","labels":{"app":"web"}},
 "spec":{"network":"blue","function":{"serialNumber":"MT2113X00042","pfMacAddress":"08:c0:eb:8a:d7:8a","vfNumber":3},
  "addresses":[{"subnet":"blue-v4","ip":"10.0.1.5"},{"subnet":"blue-v6"}],"macAddress":"02:00:5e:00:10:05",
  "securityPolicies":["web"],"allowedAddressPairs":[],"adminState":"UP","offload":"PREFERRED"}}`;

const errorOf = (result: { ok: true } | { ok: false; error: AppError }): AppError => {
  if (result.ok) throw new Error('accepted');
  return result.error;
};
const violationsOf = (input: unknown, address?: Parameters<typeof parseManifest>[1]) =>
  errorOf(parseManifest(input, address)).violations;

const port = (spec: object, metadata: object = {}) => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Port',
  metadata: { tenant: 'acme', name: 'web-0', ...metadata },
  spec: { network: 'blue', ...spec },
});
const subnet = (spec: object) => ({
  ...port({}),
  kind: 'Subnet',
  spec: { network: 'blue', cidr: '10.0.1.0/24', ...spec },
});
const network = (spec: object) => ({ ...port({}), kind: 'Network', spec });
const router = (spec: object) => ({ ...port({}), kind: 'Router', spec });
const route = (destination: string, ...addresses: string[]) =>
  router({ routes: [{ destination, nextHops: addresses.map((address) => ({ address })) }] });
const system = (kind: string, spec: object) => ({ ...port({}), kind, metadata: { name: 'default' }, spec });
const encapsulationPolicy = (spec: object) => system('EncapsulationPolicy', spec);
const allowing = (...allowed: readonly object[]) =>
  encapsulationPolicy({ defaultSegment: { networkType: 'VXLAN' }, allowed });
const physicalNetwork = (spec: object) => system('PhysicalNetwork', spec);
const dpu = (spec: object, metadata: object = {}) => ({
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Dpu',
  metadata: { name: 'dpu-7', ...metadata },
  spec,
});

const LABEL = 'must be an RFC 1123 label: 1-63 of a-z, 0-9, - ; starting and ending with a-z or 0-9';
const MAC = 'must be a MAC address such as 02:00:5e:00:10:05';
const HOSTS = 'must be a host address of the subnet, 10.0.1.1-10.0.1.254';

describe('a manifest', () => {
  it('is the documented Port intent', () => {
    expect(unwrap(parseManifest(PORT))).toEqual({
      kind: 'Port',
      metadata: {
        tenant: 'acme',
        name: 'web-0',
        labels: { app: 'web' },
        uid: undefined,
        resourceVersion: undefined,
      },
      spec: {
        network: 'blue',
        function: { serialNumber: 'MT2113X00042', pfMacAddress: '08:c0:eb:8a:d7:8a', vfNumber: 3 },
        addresses: [
          { subnet: 'blue-v4', ip: '10.0.1.5' },
          { subnet: 'blue-v6', ip: undefined },
        ],
        macAddress: '02:00:5e:00:10:05',
        securityPolicies: ['web'],
        allowedAddressPairs: [],
        adminState: 'UP',
        offload: 'PREFERRED',
        namedPorts: [],
      },
    });
  });

  it('gets defaults and canonical forms', () => {
    const { spec } = unwrap(
      parseManifest(
        port({
          function: { serialNumber: 'X1', pfMacAddress: '08-C0-EB-8A-D7-8A' },
          addresses: [{ subnet: 'blue-v6', ip: '2001:DB8:0:0::5' }],
          allowedAddressPairs: [{ ip: '10.0.0.5' }, { ip: '2001:db8::/32', macAddress: '02:00:5E:00:10:05' }],
        }),
      ),
    );
    expect(spec).toEqual({
      network: 'blue',
      function: { serialNumber: 'X1', pfMacAddress: '08:c0:eb:8a:d7:8a', vfNumber: undefined },
      addresses: [{ subnet: 'blue-v6', ip: '2001:db8::5' }],
      macAddress: undefined,
      securityPolicies: [],
      allowedAddressPairs: [
        { ip: '10.0.0.5/32', macAddress: undefined },
        { ip: '2001:db8::/32', macAddress: '02:00:5e:00:10:05' },
      ],
      adminState: 'UP',
      offload: 'PREFERRED',
      namedPorts: [],
    });
    expect(unwrap(parseManifest(network({}))).spec).toEqual({
      router: 'default',
      segment: { networkType: undefined, segmentationId: undefined, physicalNetwork: undefined },
      mtu: undefined,
    });
  });

  it.each<[field: string, description: string, manifest: unknown]>(
    (<[unknown, string, string][]>[
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
      [
        port({ function: { pfMacAddress: '08:c0:eb:8a:d7:8a' } }),
        'spec.function.serialNumber',
        'is required',
      ],
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
      [encapsulationPolicy({}), 'spec.defaultSegment.networkType', 'is required'],
      [
        encapsulationPolicy({ tenant: 'a.b', defaultSegment: { networkType: 'VXLAN' } }),
        'spec.tenant',
        LABEL,
      ],
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
      [
        network({ segment: { segmentationId: 2 ** 24 } }),
        'spec.segment.segmentationId',
        'must be 1 to 16777215',
      ],
      [network({ router: 'Blue' }), 'spec.router', LABEL],
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
      [
        {
          ...network({ hops: [{ name: 'fw', ingressPort: 'fw-in' }], destination: { external: true } }),
          kind: 'ServiceChain',
        },
        'spec.ports',
        'is required where spec.portSelector is absent',
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
      [dpu({}, { tenant: 'acme' }), 'metadata.tenant', 'must be _ or absent: a Dpu belongs to no tenant'],
      [port({}, { tenant: '_' }), 'metadata.tenant', LABEL],
      [port({}, { tenant: '' }), 'metadata.tenant', 'is required'],
      [port({}, { name: '' }), 'metadata.name', 'is required'],
      [port({}, { uid: 'UID' }), 'metadata.uid', 'must be a lower-case UUID'],
      [
        port({}, { resourceVersion: 'a b' }),
        'metadata.resourceVersion',
        'must be a resourceVersion as it was read',
      ],
      [
        port({}, { labels: { 'a b': 'c' } }),
        'metadata.labels["a b"]',
        'must have a key of 1-63 of A-Z, a-z, 0-9, - _ . ; starting and ending with a letter or digit',
      ],
      [
        port({}, { labels: { 'A/b': 'c' } }),
        'metadata.labels["A/b"]',
        'must have a key whose prefix is an RFC 1123 subdomain',
      ],
      [
        port({}, { labels: { app: 'a b' } }),
        'metadata.labels.app',
        'must be empty, or 1-63 of A-Z, a-z, 0-9, - _ . ; starting and ending with a letter or digit',
      ],
      [
        port({}, { labels: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`l${index}`, ''])) }),
        'metadata.labels',
        'must have at most 64 entries, not 65',
      ],
      [{ ...port({}), apiVersion: undefined }, 'apiVersion', 'must be a string, not null'],
      [{ ...port({}), apiVersion: '' }, 'apiVersion', 'is required: network.outboard.dev/v1alpha1'],
      [{ ...port({}), apiVersion: 'v1' }, 'apiVersion', 'must be network.outboard.dev/v1alpha1'],
      [{ ...port({}), kind: 'Pod' }, 'kind', `is unknown; must be one of ${KIND_NAMES.join(', ')}`],
      [{ spec: {} }, 'kind', `is required; must be one of ${KIND_NAMES.join(', ')}`],
      [[], '', 'must be an object'],
      ['{"kind":"Port"', '', 'is not valid JSON: expected , or } at line 1, column 15'],
    ]).map(([manifest, field, description]) => [field, description, manifest]),
  )('%s %s', (field, description, manifest) => {
    expect(violationsOf(manifest)).toEqual([{ field, description }]);
  });

  it.each([
    'web.0',
    'web 0',
    '*',
    '>',
    'a.*',
    '-a',
    'a-',
    'Web',
    'ä',
    '_',
    'a'.repeat(64),
    'a/b',
    '\u0000',
    '$SYS',
  ])('the hostile name %j is refused as name and as tenant', (text) => {
    expect(violationsOf(port({ network: text }, { name: text, tenant: text }))).toEqual([
      { field: 'metadata.tenant', description: LABEL },
      { field: 'metadata.name', description: LABEL },
      { field: 'spec.network', description: LABEL },
    ]);
  });

  it('tells problems of the JSON and of the rules at once, each field once', () => {
    const violations = violationsOf(
      port(
        { network: 7, macAddress: 'x', addresses: [7, { subnet: 'a.b' }], colour: 'blue' },
        { labels: { app: 7 } },
      ),
    );
    expect(violations.map(({ field }) => field)).toEqual([
      'metadata.labels.app',
      'spec.network',
      'spec.addresses[0]',
      'spec.colour',
      'spec.addresses[1].subnet',
      'spec.macAddress',
    ]);
  });

  it('lists 100 of 1,000 problems and tells the total', () => {
    const pairs = Array.from({ length: 999 }, () => ({ ip: 'any' }));
    const error = errorOf(parseManifest(port({ allowedAddressPairs: pairs })));
    expect(error.message).toBe('1000 problems');
    expect(error.violations).toHaveLength(100);
    expect(error.violationTotal).toBe(1000);
  });

  describe('that arrives on a subject', () => {
    const address = { tenant: 'acme', api: 'network', kind: 'port', name: 'web-0' } as const;

    it('may leave out tenant and name', () => {
      const { metadata: _, ...bare } = port({});
      expect(unwrap(parseManifest(bare, address)).metadata).toMatchObject({ tenant: 'acme', name: 'web-0' });
    });

    it('must agree with it', () => {
      expect(violationsOf({ ...port({}, { tenant: 'evil', name: 'db' }), kind: 'Network' }, address)).toEqual(
        [
          { field: 'kind', description: 'must be Port, as in the subject' },
          { field: 'metadata.tenant', description: 'must be acme, as in the subject' },
          { field: 'metadata.name', description: 'must be web-0, as in the subject' },
        ],
      );
      expect(violationsOf(port({}), { ...address, kind: 'pod' })).toEqual([
        { field: 'kind', description: 'network.pod in the subject is no known kind' },
      ]);
      expect(violationsOf(port({}), { ...address, api: 'admin' })).toMatchObject([{ field: 'kind' }]);
    });
  });
});

describe('no input makes a parser throw', () => {
  it('bytes, texts and values', () => {
    const input = fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }), fc.json(), fc.anything());
    fc.assert(
      fc.property(input, (value) => {
        expect(parseManifest(value).ok).toBe(false);
        expect(decodeResource(value).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('damaged manifests; every violation has a path that exists', () => {
    const damage = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom('', '10.0.0.0/8', '::', '02:00:5e:00:10:05', 'a.b', 0, 2 ** 32, null, [], {}),
    );
    let refused = 0;
    fc.assert(
      fc.property(
        anyResource,
        fc.array(fc.tuple(fc.nat(), damage), { minLength: 1, maxLength: 4 }),
        (resource, damages) => {
          const json: unknown = JSON.parse(JSON.stringify(encodeResource(resource)));
          for (const [at, value] of damages) damageAt(json, at, value);
          const result = parseManifest(json);
          decodeResource(json);
          if (result.ok) return;
          refused++;
          const { schema } = kindOf(resource);
          for (const { field, description } of result.error.violations) {
            expect(description).not.toBe('');
            expect(existsInSchema(schema, field) || existsInJson(json, field)).toBe(true);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(refused).toBeGreaterThan(300);
  });
});

/** Replaces the at-th value of a JSON tree (counted in order, wrapped around), below its root. */
function damageAt(json: unknown, at: number, value: unknown): void {
  const places: [object, string][] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node, key]);
      walk((node as Record<string, unknown>)[key]);
    }
  };
  walk(json);
  const [node, key] = places[at % places.length] ?? [];
  if (node !== undefined && key !== undefined) (node as Record<string, unknown>)[key] = value;
}

describe('an update', () => {
  const [port] = fc.sample(RESOURCES.Port, 1);
  const [base] = fc.sample(RESOURCES.Network, 1);
  if (port === undefined || base === undefined) throw new Error('no sample');

  const intentOf = (resource: AnyResource, spec: object) =>
    ({ kind: resource.kind, metadata: resource.metadata, spec: { ...resource.spec, ...spec } }) as Parameters<
      typeof checkUpdate
    >[1];

  it('cannot change an immutable field', () => {
    expect(checkUpdate(port, intentOf(port, { network: 'other-network' }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'IMMUTABLE_FIELD',
      violations: [{ field: 'spec.network', description: `cannot change; it is ${port.spec.network}` }],
    });
    expect(checkUpdate(port, intentOf(port, { adminState: 'DOWN', function: undefined }))).toBeUndefined();
  });

  it('may repeat the allocated segment or leave it out, not change it', () => {
    const before: Network = {
      ...base,
      status: {
        ...base.status,
        segment: {
          networkType: 'VXLAN',
          segmentationId: 5001 as SegmentationId,
          physicalNetwork: undefined,
        },
      },
    };
    const asking = (segmentationId: number | undefined) =>
      checkUpdate(before, intentOf(before, { segment: { networkType: undefined, segmentationId } }));
    expect(asking(5001)).toBeUndefined();
    const onPhysical = { networkType: 'VLAN', segmentationId: undefined, physicalNetwork: 'physnet1' };
    expect(checkUpdate(before, intentOf(before, { segment: onPhysical }))?.violations).toEqual([
      { field: 'spec.segment.networkType', description: 'must be VXLAN, as allocated, or absent' },
      { field: 'spec.segment.physicalNetwork', description: 'must be absent' },
    ]);
    expect(asking(undefined)).toBeUndefined();
    expect(asking(5002)?.violations).toEqual([
      { field: 'spec.segment.segmentationId', description: 'must be 5001, as allocated, or absent' },
    ]);
  });

  it('is ABORTED when its preconditions do not hold', () => {
    const check = (metadata: Partial<IntentMetadata>, existing: typeof port | undefined = port) => {
      const { tenant, name } = port.metadata;
      const none = { uid: undefined, resourceVersion: undefined };
      const target = { kind: 'Port', metadata: { tenant, name, ...none, ...metadata } };
      return checkPreconditions(target, existing, undefined);
    };
    const { uid, resourceVersion } = port.metadata;
    expect(check({})).toBeUndefined();
    expect(check({ uid, resourceVersion })).toBeUndefined();
    const other = 'other' as typeof uid;
    expect(check({ uid: other })).toMatchObject({ code: 'ABORTED', reason: 'UID_MISMATCH' });
    expect(check({ resourceVersion: 'other' })).toMatchObject({
      code: 'ABORTED',
      reason: 'STALE',
      metadata: { resourceVersion },
    });
  });
});

describe('a published resource', () => {
  it('with conditions of a newer version is read without them', () => {
    const [resource] = fc.sample(RESOURCES.Port, 1);
    if (resource === undefined) throw new Error('no sample');
    const json = JSON.parse(JSON.stringify(encodeResource(resource)));
    json.status.conditions = [{ type: 'Audited', status: 'True' }, ...json.status.conditions];
    expect(unwrap(decodeResource(json))).toEqual(resource);
  });

  it('that is none is refused with what is wrong', () => {
    expect(errorOf(decodeResource('{')).violations).toMatchObject([{ field: '' }]);
    expect(errorOf(decodeResource({ kind: 'Pod' })).violations).toMatchObject([{ field: 'kind' }]);
    expect(errorOf(decodeResource({ kind: 'Port', spec: [] })).code).toBe('INVALID_ARGUMENT');
    for (const { kind } of KINDS) {
      const fields = errorOf(decodeResource({ kind })).violations.map(({ field }) => field);
      expect(fields).toContain('metadata.uid');
    }
  });
});
