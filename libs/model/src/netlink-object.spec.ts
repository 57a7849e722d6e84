import { describe, expect, it } from '@jest/globals';
import { parseManifest } from './index.js';

const problemsOf = (spec: object): string[] => {
  const parsed = parseManifest({
    apiVersion: 'network.outboard.dev/v1alpha1',
    kind: 'NetlinkObject',
    metadata: { tenant: 'acme', name: 'placed' },
    spec,
  });
  const { violations } = parsed.ok ? { violations: [] } : parsed.error;
  return violations.map(({ field, description }) => `${field} ${description}`);
};
const neigh = { dst: '10.0.0.9', lladdr: '02:00:00:00:00:09' };
const ONE = 'spec must have exactly one of route, neigh, fdb, addr';

describe('an object of layer 1', () => {
  it.each([
    ['is of one type', { network: 'blue', neigh }, []],
    ['is refused without a type', { router: 'main' }, [ONE]],
    [
      'is refused with fields of another type',
      { router: 'main', network: 'blue', port: 'web-0', neigh },
      ['spec.router is no field of a neigh', 'spec.port is no field of a neigh'],
    ],
    [
      'of two types is refused with the problems of both, and of what both have once',
      {
        port: 'web-0',
        neigh: { dst: '10.0.0.9' },
        addr: { address: '10.0.0.1', ifaPrefixlen: 31 },
        dpus: ['dpu-1', 'dpu-1'],
      },
      [
        'spec.dpus[1] must be given once; spec.dpus[0] has it already',
        `${ONE}, not neigh and addr`,
        'spec.port is no field of a neigh or addr',
        'spec.network is required',
        'spec.neigh.lladdr is required',
        'spec.addr.ifaPrefixlen must be 8 to 30',
      ],
    ],
    [
      'of two types may have the fields of either',
      { router: 'main', network: 'blue', route: { dst: '10.9.0.0/16', gateway: '10.0.0.2' }, neigh },
      [`${ONE}, not route and neigh`],
    ],
  ])('%s', (_, spec, problems) => {
    expect(problemsOf(spec)).toEqual(problems);
  });
});
