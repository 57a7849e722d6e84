import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { parseManifest } from './index.js';

const port = (bandwidth: object) => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Port',
  metadata: { tenant: 'acme', name: 'web-0' },
  spec: { network: 'blue', bandwidth },
});

describe('a port that is a VLAN of another', () => {
  const parse = (spec: object) => parseManifest({ ...port({}), spec: { network: 'blue', ...spec } });

  it('names its parent and its tag', () => {
    const trunk = { parent: 'cnf-0', vlanId: 4094 };
    expect(unwrap(parse({ trunk })).spec).toMatchObject({ function: undefined, trunk });
  });

  it.each([
    [{ trunk: {} }, ['spec.trunk.parent is required', 'spec.trunk.vlanId must be 1 to 4094']],
    [{ trunk: { parent: 'Cnf', vlanId: 4095 } }, [expect.anything(), 'spec.trunk.vlanId must be 1 to 4094']],
    [
      {
        trunk: { parent: 'cnf-0', vlanId: 1 },
        function: { serialNumber: 'S1', pfMacAddress: '02:00:00:00:00:01' },
      },
      ['spec.function must be absent with trunk'],
    ],
  ])('is refused as %j with every problem', (spec, problems) => {
    const parsed = parse(spec);
    const { violations } = parsed.ok ? { violations: [] } : parsed.error;
    expect(violations.map(({ field, description }) => `${field} ${description}`)).toEqual(problems);
  });
});

describe('the bandwidth of a port', () => {
  it('may limit one direction or both', () => {
    const bandwidthOf = (bandwidth: object) => unwrap(parseManifest(port(bandwidth))).spec;
    expect(bandwidthOf({ egressKbps: 64 })).toMatchObject({
      bandwidth: { ingressKbps: undefined, egressKbps: 64 },
    });
    expect(bandwidthOf({ ingressKbps: 1_000_000, egressKbps: 400_000_000 })).toMatchObject({
      bandwidth: { ingressKbps: 1_000_000, egressKbps: 400_000_000 },
    });
  });

  it.each([
    [{ ingressKbps: 63, egressKbps: 64 }, ['spec.bandwidth.ingressKbps must be 64 to 400000000']],
    [
      { ingressKbps: 1, egressKbps: 400_000_001 },
      [
        'spec.bandwidth.ingressKbps must be 64 to 400000000',
        'spec.bandwidth.egressKbps must be 64 to 400000000',
      ],
    ],
    [{}, ['spec.bandwidth must limit something: ingressKbps, egressKbps or both']],
  ])('is refused as %j with every problem', (bandwidth, problems) => {
    const parsed = parseManifest(port(bandwidth));
    expect(parsed).toMatchObject({ ok: false });
    const { violations } = parsed.ok ? { violations: [] } : parsed.error;
    expect(violations.map(({ field, description }) => `${field} ${description}`)).toEqual(problems);
  });
});
