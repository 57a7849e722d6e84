import { describe, expect, it } from '@jest/globals';
import { kindByArgument, kindsByArgument, selectionsOf, tenantFor, tenantOfOne } from './kinds.js';

const ACME = { tenant: 'acme', allTenants: false };
const ALL = { tenant: 'acme', allTenants: true };
const NONE = { tenant: undefined, allTenants: false };

const shown = (args: readonly string[], scope = ACME) =>
  selectionsOf(args, scope).map(({ kind, names }) => [kind.kind, ...names]);

const usage = (field: string) =>
  expect.objectContaining({ reason: 'USAGE', violations: [expect.objectContaining({ field })] });

describe('a kind', () => {
  it.each(['port', 'ports', 'Port', 'PORTS'])('is understood as %s', (text) => {
    expect(kindByArgument(text).kind).toBe('Port');
  });

  it('has the plural that English has', () => {
    expect(kindByArgument('securitypolicies').kind).toBe('SecurityPolicy');
    expect(kindByArgument('addresssets').kind).toBe('AddressSet');
    expect(kindByArgument('accelerationkeys').kind).toBe('AccelerationKey');
  });

  it('that is none is refused with those that there are', () => {
    expect(() => kindByArgument('pod')).toThrow(usage('KIND'));
  });

  it.each([
    ['pod', /^"pod" is no kind; the kinds are dpus, .*ports/],
    ['netwroks', /^"netwroks" is no kind; did you mean networks\?$/],
  ])('that is none, as %s, is refused with what may be meant', (text, description) => {
    const violations = [{ field: 'KIND', description: expect.stringMatching(description) }];
    expect(() => kindByArgument(text)).toThrow(expect.objectContaining({ violations }));
  });

  it('all means those of the tenant, and with all tenants also those of none', () => {
    const kinds = (scope: typeof ACME) => kindsByArgument('all', scope).map(({ kind }) => kind);
    const ofTenant = [
      'Router',
      'Network',
      'Subnet',
      'AddressSet',
      'SecurityPolicy',
      'Port',
      'NetlinkObject',
      'ServiceChain',
      'Workload',
      'WorkloadConfiguration',
      'AccelerationProfile',
      'AccelerationKey',
      'AccelerationSession',
    ];
    expect(kinds(ACME)).toEqual(ofTenant);
    expect(kinds(ALL)).toEqual([
      'Dpu',
      'DpuNetworkConfiguration',
      'FunctionPool',
      'Function',
      'PhysicalNetwork',
      'EncapsulationPolicy',
      ...ofTenant.slice(0, -3),
      'AccelerationQuota',
      ...ofTenant.slice(-3),
    ]);
  });
});

describe('what a command line selects', () => {
  it('is a kind and names, kinds and names joined by slashes, or several kinds', () => {
    expect(shown(['port', 'a', 'b', 'a'])).toEqual([['Port', 'a', 'b']]);
    expect(shown(['port/a', 'network/b', 'ports/c', 'port/a'])).toEqual([
      ['Port', 'a', 'c'],
      ['Network', 'b'],
    ]);
    expect(shown(['ports,networks,port'])).toEqual([['Port'], ['Network']]);
  });

  it.each([
    [['ports,networks', 'a'], 'NAME'],
    [['port/a', 'b'], 'NAME'],
    [['port/a/b'], 'NAME'],
    [['port', 'A*'], 'NAME'],
    [['port', 'a.b'], 'NAME'],
    [['port/'], 'NAME'],
    [['nothing/a'], 'KIND'],
    [[], 'KIND'],
  ])('cannot be %j', (args, field) => {
    expect(() => selectionsOf(args, ACME)).toThrow(usage(field));
  });

  it('is of the tenant, of all, or of none', () => {
    const port = kindByArgument('port');
    const dpu = kindByArgument('dpu');
    expect([tenantFor(port, ACME), tenantFor(port, ALL), tenantFor(dpu, NONE)]).toEqual(['acme', '_', '_']);
    expect(() => tenantFor(port, NONE)).toThrow(usage('--tenant'));
    expect(() => tenantOfOne(port, ALL)).toThrow(usage('--all-tenants'));
  });
});
