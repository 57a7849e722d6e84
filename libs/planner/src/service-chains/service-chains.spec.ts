import { beforeEach, describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { findCondition, type Name, type ServiceChain, type TenantName } from '@outboard/model';
import fc from 'fast-check';
import { checkInvariants } from '../../test/invariants.js';
import { identityOf, Lab } from '../../test/lab.js';
import { readable } from '../../test/oracle.js';
import { chainStep } from '../../test/policy-steps.js';
import { explain, present } from '../index.js';

const WEB = { matchLabels: { app: 'web' } };
const FIREWALL = [{ name: 'firewall', ingressPort: 'fw-in', egressPort: 'fw-out' }];
const TO_RED = { portSelector: WEB, destination: { network: 'red' }, hops: FIREWALL };

let lab: Lab;

const connect = (name: string, network: string, dpu: string, vfNumber: number, labels = {}) =>
  lab.apply('Port', name, { network, function: identityOf(dpu, vfNumber) }, { labels });
const web = (name: string, dpu: string, vfNumber: number) =>
  connect(name, 'blue', dpu, vfNumber, { app: 'web' });

beforeEach(() => {
  lab = new Lab();
  lab.fleet(['dpu-1', 'dpu-2'], 6);
  for (const [index, name] of ['blue', 'red'].entries()) {
    lab.apply('Network', name, {});
    lab.apply('Subnet', `${name}-v4`, { network: name, cidr: `10.0.${index}.0/24` });
  }
  connect('fw-in', 'blue', 'dpu-1', 0);
  connect('fw-out', 'blue', 'dpu-1', 1);
});

const chain = (name = 'to-red'): ServiceChain => {
  const record = lab.records('ServiceChain').find(({ resource }) => resource.metadata.name === name);
  if (record === undefined) throw new Error(`there is no chain ${name}`);
  return present(lab.world, record.resource);
};
const standing = (type: 'Planned' | 'Applied', name?: string) => {
  const { reason, message } = findCondition(chain(name).status.conditions, type) ?? {};
  return [reason, message];
};
/** The chains that a port's own object names, by the names of their neutral objects' sources. */
function steering(port: string, dpu: string): string[] {
  const document = lab.published.get(dpu) ?? new Map<string, Uint8Array>();
  const endpoint = document.get(`endpoint/${lab.port(port).metadata.uid}`);
  const { endpoint: value } = (endpoint ? readable(endpoint) : {}) as {
    endpoint?: { serviceChains?: string[] };
  };
  return (value?.serviceChains ?? []).map((key) => {
    const object = document.get(key);
    return ((object ? readable(object) : {}) as { source?: { name?: string } }).source?.name ?? 'missing';
  });
}
const refusal = (spec: object, name = 'another'): string | undefined => {
  const result = lab.tryApply('ServiceChain', name, spec);
  return result.ok ? undefined : `${result.error.reason} ${result.error.violations[0]?.field}`;
};

describe('a service chain', () => {
  it('steers the ports that it selects and names, with its object on their DPUs alone', () => {
    web('web-0', 'dpu-1', 2);
    connect('db-0', 'blue', 'dpu-2', 0);
    lab.apply('ServiceChain', 'to-red', { ...TO_RED, ports: ['db-1'] });
    expect(steering('web-0', 'dpu-1')).toEqual(['to-red']);
    expect(steering('db-0', 'dpu-2')).toEqual([]);
    expect(
      [...(lab.published.get('dpu-2')?.keys() ?? [])].filter((key) => key.startsWith('servicechain/')),
    ).toEqual([]);
    connect('db-1', 'blue', 'dpu-2', 1);
    expect(steering('db-1', 'dpu-2')).toEqual(['to-red']);
    expect(chain().status).toMatchObject({ ports: 2, dpus: 2 });
    connect('web-0', 'blue', 'dpu-1', 2, { app: 'other' });
    expect(steering('web-0', 'dpu-1')).toEqual([]);
    lab.delete('ServiceChain', 'to-red');
    expect(steering('db-1', 'dpu-2')).toEqual([]);
    checkInvariants(lab);
  });

  it('is Ready when every DPU with steered ports has confirmed it, and tells which hops cannot be', () => {
    lab.apply('ServiceChain', 'to-red', TO_RED);
    expect(standing('Applied')).toEqual(['AppliedAndReadBack', 'no DPU is concerned']);
    web('web-0', 'dpu-1', 2);
    expect(standing('Applied')[0]).toBe('Applying');
    lab.report('dpu-1');
    expect(standing('Applied')[0]).toBe('AppliedAndReadBack');
    expect(standing('Planned')[0]).toBe('Planned');
    web('web-1', 'dpu-2', 2);
    expect(standing('Planned')).toEqual(['HopElsewhere', 'hop firewall is on dpu-1; port web-1 is on dpu-2']);
    lab.apply('Port', 'fw-out', { network: 'blue', function: identityOf('dpu-1', 1), adminState: 'DOWN' });
    expect(standing('Planned')).toEqual(['HopNotConnected', 'fw-out']);
  });

  it('means what its destination network has, and for a way out everything but the subnets of the router', () => {
    web('web-0', 'dpu-1', 2);
    lab.apply('ServiceChain', 'to-red', TO_RED);
    const meant = () => {
      const document = lab.published.get('dpu-1') ?? new Map<string, Uint8Array>();
      const found = [...document].find(([key]) => key.startsWith('servicechain/'));
      const { serviceChain } = (found ? readable(found[1]) : {}) as {
        serviceChain?: { destinations?: string[]; exceptions?: string[] };
      };
      return [serviceChain?.destinations, serviceChain?.exceptions];
    };
    expect(meant()).toEqual([['10.0.1.0/24'], undefined]);
    lab.apply('Subnet', 'red-v6', { network: 'red', cidr: 'fd00:1::/64' });
    expect(meant()).toEqual([['10.0.1.0/24', 'fd00:1::/64'], undefined]);
    lab.apply('ServiceChain', 'to-red', { ...TO_RED, destination: { external: true } });
    expect(meant()).toEqual([
      ['0.0.0.0/0', '::/0'],
      ['10.0.0.0/24', '10.0.1.0/24', 'fd00:1::/64', 'fe80::/10'],
    ]);
  });

  it('is refused with the rule that it breaks', () => {
    web('web-0', 'dpu-1', 2);
    connect('far', 'blue', 'dpu-2', 0);
    connect('spare', 'blue', 'dpu-1', 3);
    lab.apply('ServiceChain', 'to-red', TO_RED);
    const cidrs = (...all: string[]) => ({ destination: { cidrs: all } });
    const other = [{ name: 'other', ingressPort: 'spare' }];
    expect(refusal({ ...TO_RED, ...cidrs('10.0.1.128/25') })).toBe('CHAIN_OVERLAP spec.destination');
    expect(refusal({ ...TO_RED, destination: { external: true } })).toBeUndefined();
    lab.delete('ServiceChain', 'another');
    expect(refusal({ ...TO_RED, destination: { network: 'green' } })).toBe(
      'NETWORK_NOT_FOUND spec.destination.network',
    );
    expect(
      refusal({ ...TO_RED, ...cidrs('192.0.2.0/24'), hops: [{ name: 'x', ingressPort: 'nobody' }] }),
    ).toBe('PORT_NOT_FOUND spec.hops[0].ingressPort');
    expect(
      refusal({
        ...TO_RED,
        ...cidrs('192.0.2.0/24'),
        hops: [{ name: 'x', ingressPort: 'spare', egressPort: 'far' }],
      }),
    ).toBe('HOPS_ON_DIFFERENT_DPUS spec.hops');
    expect(
      refusal({
        ...TO_RED,
        ...cidrs('192.0.2.0/24'),
        hops: [{ name: 'x', ingressPort: 'fw-out', egressPort: 'spare' }],
      }),
    ).toBe('HOP_PORT_TAKEN spec.hops[0].ingressPort');
    expect(refusal({ ports: ['fw-in'], ...cidrs('192.0.2.0/24'), hops: other })).toBe(
      'HOP_PORT_STEERED spec.ports[0]',
    );
    expect(refusal({ portSelector: WEB, ...cidrs('10.0.0.0/24'), hops: other })).toBe(
      'HOP_NEEDS_TWO_PORTS spec.destination',
    );
    checkInvariants(lab);
  });

  it('keeps its hops and its network from being deleted, and a port from entering two chains for one destination', () => {
    lab.apply('ServiceChain', 'to-red', TO_RED);
    lab.apply('ServiceChain', 'other', { ...TO_RED, portSelector: { matchLabels: { role: 'front' } } });
    const deleted = lab.tryDelete('Port', 'fw-in');
    expect(deleted.ok ? '' : deleted.error.reason).toBe('IN_USE');
    lab.delete('Subnet', 'red-v4');
    const network = lab.tryDelete('Network', 'red');
    expect(network.ok ? '' : network.error.message).toContain('servicechain acme/other');
    lab.apply('Subnet', 'red-v4', { network: 'red', cidr: '10.0.1.0/24' });
    const both = lab.tryApply(
      'Port',
      'web-0',
      { network: 'blue' },
      { labels: { app: 'web', role: 'front' } },
    );
    expect(both.ok ? '' : both.error.reason).toBe('CHAIN_OVERLAP');
  });

  it('lets the first by name have a port where subnets that come make two overlap, and tells so', () => {
    web('web-0', 'dpu-1', 2);
    lab.apply('ServiceChain', 'to-red', TO_RED);
    lab.apply('ServiceChain', 'ahead', { ...TO_RED, destination: { cidrs: ['10.7.0.0/16'] } });
    lab.apply('Subnet', 'red-late', { network: 'red', cidr: '10.7.1.0/24' });
    expect(steering('web-0', 'dpu-1')).toEqual(['ahead']);
    expect(standing('Planned')).toEqual(['Overlap', 'web-0']);
    lab.delete('Subnet', 'red-late');
    expect(steering('web-0', 'dpu-1')).toEqual(['ahead', 'to-red']);
    expect(standing('Planned')[0]).toBe('Planned');
    checkInvariants(lab);
  });

  it('is explained hop by hop, in reverse towards the port, and ends a flow where it is closed', () => {
    web('web-0', 'dpu-1', 2);
    connect('db-0', 'red', 'dpu-2', 1);
    connect('recorder', 'blue', 'dpu-1', 3);
    const hops = [...FIREWALL, { name: 'recorder', ingressPort: 'recorder' }];
    lab.apply('ServiceChain', 'to-red', { ...TO_RED, hops });
    const explained = (from: string, to: string) => {
      const names = { from: from as Name, to: { kind: 'port' as const, name: to as Name } };
      const flow = {
        tenant: 'acme' as TenantName,
        ...names,
        source: undefined,
        protocol: 'TCP' as const,
        service: 80,
      };
      const { verdict, reason, path } = unwrap(explain(lab.world, flow));
      const met = path
        .filter(({ kind }) => kind === 'serviceChain')
        .map(({ name, dpu }) => `${name} on ${dpu}`);
      return [verdict, reason, ...met];
    };
    const way = ['servicechain to-red hop firewall on dpu-1', 'servicechain to-red hop recorder on dpu-1'];
    expect(explained('web-0', 'db-0')).toEqual(['ALLOWED', 'NoPolicyApplies', ...way]);
    expect(explained('db-0', 'web-0')).toEqual(['ALLOWED', 'NoPolicyApplies', ...way.reverse()]);
    expect(explained('web-0', 'fw-in')).toEqual(['ALLOWED', 'NoPolicyApplies']);
    lab.apply('Port', 'recorder', { network: 'blue', function: identityOf('dpu-1', 3), adminState: 'DOWN' });
    expect(explained('web-0', 'db-0')).toEqual(['UNREACHABLE', 'HopUnavailable']);
    lab.apply('ServiceChain', 'to-red', { ...TO_RED, hops, failureMode: 'FAIL_OPEN' });
    expect(explained('db-0', 'web-0')[0]).toBe('ALLOWED');
  });

  it('leaves documents that are what the rows say, whatever comes and goes', () => {
    let steered = 0;
    const labels = fc.constantFrom({ label: 'a' }, { label: 'b' }, {});
    const ports = ['web-0', 'web-1', 'web-2', 'db-0', 'db-1'] as const;
    const relabel = fc.record({ name: fc.constantFrom(...ports), labels, vf: fc.nat({ max: 4 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof(chainStep, relabel), { maxLength: 12 }), (steps) => {
        lab = new Lab();
        lab.fleet(['dpu-1', 'dpu-2'], 5);
        for (const [index, name] of ['blue', 'red'].entries()) {
          lab.apply('Network', name, {});
          lab.apply('Subnet', `${name}-v4`, { network: name, cidr: `10.0.${index}.0/24` });
        }
        for (const [index, name] of ports.entries())
          connect(name, index < 2 ? 'blue' : 'red', 'dpu-1', index);
        for (const step of steps) {
          if ('run' in step) step.run(lab);
          else {
            const { network, function: identity } = lab.port(step.name).spec;
            const dpu = step.vf > 2 ? identityOf('dpu-2', step.vf) : identity;
            lab.tryApply('Port', step.name, { network, function: dpu }, { labels: step.labels });
          }
          checkInvariants(lab);
          for (const port of lab.world.ports.values()) steered += port.chains.length;
        }
      }),
      { numRuns: 12, seed: 61 },
    );
    expect(steered).toBeGreaterThan(20);
  });
});
