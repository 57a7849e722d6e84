import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import fc from 'fast-check';
import { RESOURCES } from '../test/arbitraries/resources.js';
import { dpu, errorOf, LABEL, network, port, violationsOf } from '../test/manifests.js';
import { decodeResource, encodeResource, KIND_NAMES, KINDS, parseManifest } from './index.js';

/** A Port intent: the example of the architecture, verbatim. */
const PORT = `{"apiVersion":"network.outboard.dev/v1alpha1","kind":"Port","metadata":{"tenant":"acme","name":"web-0","labels":{"app":"web"}},
 "spec":{"network":"blue","function":{"serialNumber":"MT2113X00042","pfMacAddress":"08:c0:eb:8a:d7:8a","vfNumber":3},
  "addresses":[{"subnet":"blue-v4","ip":"10.0.1.5"},{"subnet":"blue-v6"}],"macAddress":"02:00:5e:00:10:05",
  "securityPolicies":["web"],"allowedAddressPairs":[],"adminState":"UP","offload":"PREFERRED"}}`;

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
      [{ ...port({}), kind: 'ports' }, 'kind', 'is unknown; did you mean Port?'],
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
