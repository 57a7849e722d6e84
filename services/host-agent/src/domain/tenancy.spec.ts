import { describe, expect, it } from '@jest/globals';
import type { TenantName } from '@outboard/model';
import { CniError } from './cni-error.js';
import { Tenancy } from './tenancy.js';

const rules = (text: string): Tenancy => {
  const tenancy = Tenancy.parse(text);
  if (tenancy === undefined) throw new Error(`${text} was not understood`);
  return tenancy;
};
const acme = 'acme' as TenantName;

describe('which tenant a pod belongs to', () => {
  it("is its namespace's own name where the rule says so", () => {
    expect(rules('*=*').tenantOf('team-a', undefined)).toBe('team-a');
  });

  it("is the namespace's rule before the one for all others", () => {
    const tenancy = rules('team-a=acme, team-b=acme ,*=shared');
    expect(tenancy.tenantOf('team-a', undefined)).toBe('acme');
    expect(tenancy.tenantOf('team-c', undefined)).toBe('shared');
  });

  it('is nobody without a rule', () => {
    expect(() => rules('team-a=acme').tenantOf('team-b', undefined)).toThrow(/team-b belongs to no tenant/);
  });

  it('cannot be another than that by what a network configuration says', () => {
    expect(rules('*=*').tenantOf('acme', acme)).toBe('acme');
    expect(() => rules('*=*').tenantOf('team-a', acme)).toThrow(CniError);
  });

  it('is what the configuration says for a pod without a namespace, or else the rule for these', () => {
    expect(rules('*=*').tenantOf(undefined, acme)).toBe('acme');
    expect(rules('_=shared').tenantOf(undefined, undefined)).toBe('shared');
    expect(() => rules('*=*').tenantOf(undefined, undefined)).toThrow(/tenant must be set/);
  });

  it.each(['', 'a', 'a=', '=b', 'a=b=c', 'A=b', 'a=b,a=c', '_=*'])('is not told by %j', (text) => {
    expect(Tenancy.parse(text)).toBeUndefined();
  });
});
