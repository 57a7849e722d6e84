import { describe, expect, it } from '@jest/globals';
import { AppError, unwrap } from '@outboard/core';
import { findCondition, type Name, type TenantName } from '@outboard/model';
import { checkInvariants, compiledDocuments } from '../test/invariants.js';
import { identityOf, Lab } from '../test/lab.js';
import { differenceOf, explain } from './index.js';

/** A CNF's port in blue on dpu-1, and a VLAN of it in red. */
function world(): Lab {
  const lab = new Lab();
  lab.fleet(['dpu-1', 'dpu-2'], 3);
  for (const [index, name] of ['blue', 'red'].entries()) {
    lab.apply('Network', name, {});
    lab.apply('Subnet', `${name}-v4`, { network: name, cidr: `10.0.${index}.0/24` });
  }
  lab.apply('Port', 'cnf-0', { network: 'blue', function: identityOf('dpu-1', 0) });
  lab.apply('Port', 'cnf-0-red', { network: 'red', trunk: { parent: 'cnf-0', vlanId: 101 } });
  return lab;
}

const planned = (lab: Lab): string => {
  const condition = findCondition(lab.port('cnf-0-red').status.conditions, 'Planned');
  return `${condition?.reason}: ${condition?.message}`;
};
const parent = (lab: Lab, spec: object) => lab.apply('Port', 'cnf-0', { network: 'blue', ...spec });

describe('a port that is a VLAN of another', () => {
  it('has a place with its tag at the function of its parent, and addresses of its own network', () => {
    const lab = world();
    const { metadata, status } = lab.port('cnf-0-red');
    expect(status).toMatchObject({ dpu: 'dpu-1', representor: 'pf0vf0', addresses: [{ ip: '10.0.1.2' }] });
    const document = compiledDocuments(lab.world)['dpu-1'];
    expect(document?.[`endpoint/${metadata.uid}`]).toMatchObject({
      endpoint: { representor: 'pf0vf0', vlanId: 101 },
    });
    checkInvariants(lab);
  });

  it('goes where its parent goes, is nowhere while that has no function or is down, and comes back', () => {
    const lab = world();
    const seen: unknown[] = [];
    for (const spec of [
      { function: identityOf('dpu-2', 1) },
      {},
      { function: identityOf('dpu-2', 1), adminState: 'DOWN' },
      { function: identityOf('dpu-1', 2) },
    ]) {
      parent(lab, spec);
      const { dpu, representor } = lab.port('cnf-0-red').status;
      seen.push([dpu, representor, planned(lab)]);
      checkInvariants(lab);
    }
    expect(seen).toEqual([
      ['dpu-2', 'pf0vf1', 'Planned: dpu-2'],
      [undefined, undefined, 'ParentNotConnected: port cnf-0'],
      [undefined, undefined, 'ParentNotConnected: port cnf-0'],
      ['dpu-1', 'pf0vf2', 'Planned: dpu-1'],
    ]);
    expect(lab.port('cnf-0-red').status.addresses).toMatchObject([{ ip: '10.0.1.2' }]);
  });

  it('follows what is known of its function: another representor, a DPU that cannot, a DPU that is retired', () => {
    const lab = world();
    lab.function('dpu-1', 0, 'pf0vf9');
    expect(lab.port('cnf-0-red').status.representor).toBe('pf0vf9');
    lab.dpu('dpu-1', { trunks: false });
    expect(planned(lab)).toBe('TrunkUnsupported: dpu-1 cannot connect ports as VLANs of others');
    expect(lab.port('cnf-0').status.dpu).toBe('dpu-1');
    lab.dpu('dpu-1');
    expect(planned(lab)).toBe('Planned: dpu-1');
    checkInvariants(lab);
    lab.retire('Dpu', 'dpu-1');
    expect(planned(lab)).toBe('ParentNotConnected: port cnf-0');
    checkInvariants(lab);
  });

  it('is explained in its own network, and a plan for its parent tells what becomes of it', () => {
    const lab = world();
    lab.apply('Port', 'red-0', { network: 'red', function: identityOf('dpu-2', 0) });
    const explained = () =>
      unwrap(
        explain(lab.world, {
          tenant: 'acme' as TenantName,
          from: 'red-0' as Name,
          source: undefined,
          to: { kind: 'port', name: 'cnf-0-red' as Name },
          protocol: 'TCP',
          service: 80,
        }),
      );
    expect(explained()).toMatchObject({ verdict: 'ALLOWED', reason: 'NoPolicyApplies' });
    expect(explained().path.filter(({ kind }) => kind === 'representor')).toMatchObject([
      { dpu: 'dpu-2', name: 'pf0vf0', detail: 'comes in' },
      { dpu: 'dpu-1', name: 'pf0vf0', detail: 'goes out with tag 101' },
    ]);
    const down = { network: 'blue', function: identityOf('dpu-1', 0), adminState: 'DOWN' };
    const command = lab.command('Port', 'cnf-0', down);
    const { flows = [] } = differenceOf(lab.world, command, unwrap(lab.dryRun(command))) ?? {};
    const stopped = flows.map(({ change, from, to }) => [change, from.names, 'names' in to ? to.names : []]);
    expect(stopped).toContainEqual(['STOPS', ['red-0'], ['cnf-0-red']]);
    expect(stopped).toContainEqual(['STOPS', ['cnf-0-red'], ['red-0']]);
    unwrap(lab.decide(command));
    expect(explained()).toMatchObject({ verdict: 'UNREACHABLE', reason: 'NotConnected' });
  });

  it('comes back with its parent to a DPU that takes no new ports', () => {
    const lab = world();
    lab.dpu('dpu-1', { schedulable: false });
    lab.function('dpu-1', 0, null);
    expect(planned(lab)).toBe('ParentNotConnected: port cnf-0');
    lab.function('dpu-1', 0);
    expect(planned(lab)).toBe('Planned: dpu-1');
    checkInvariants(lab);
  });

  it('waits while its network has larger packets than that of its parent', () => {
    const lab = world();
    lab.apply('Network', 'blue', { mtu: 1300 });
    expect(planned(lab)).toBe('ParentMtuTooSmall: port cnf-0 has 1300 bytes, the network 1450');
    checkInvariants(lab);
    lab.apply('Network', 'red', { mtu: 1300 });
    expect(planned(lab)).toBe('Planned: dpu-1');
    checkInvariants(lab);
  });

  it('becomes a port of its own, and the other way round', () => {
    const lab = world();
    lab.apply('Port', 'cnf-0-red', { network: 'red', function: identityOf('dpu-2', 2) });
    expect(lab.port('cnf-0-red').status).toMatchObject({ dpu: 'dpu-2', representor: 'pf0vf2' });
    lab.delete('Port', 'cnf-0');
    checkInvariants(lab);
  });

  it('is refused with every problem of it', () => {
    const lab = world();
    lab.apply('Port', 'cnf-1', { network: 'blue', function: identityOf('dpu-2', 0) });
    const refusalOf = (name: string, spec: object): unknown => {
      try {
        lab.apply('Port', name, { network: 'red', ...spec });
        return undefined;
      } catch (failure) {
        if (!(failure instanceof AppError)) throw failure;
        return failure.violations.map(({ field, description }) => `${field}: ${description}`);
      }
    };
    expect([
      refusalOf('x', { trunk: { parent: 'cnf-0', vlanId: 101 } }),
      refusalOf('x', { trunk: { parent: 'nobody', vlanId: 7 } }),
      refusalOf('x', { trunk: { parent: 'x', vlanId: 7 } }),
      refusalOf('x', { trunk: { parent: 'cnf-0-red', vlanId: 7 } }),
      refusalOf('x', { trunk: { parent: '', vlanId: 4095 }, function: identityOf('dpu-2', 2) }),
    ]).toEqual([
      ['spec.trunk.vlanId: 101 is port acme/cnf-0-red'],
      ['spec.trunk.parent: port nobody does not exist'],
      ['spec.trunk.parent: must be another port'],
      ['spec.trunk.parent: port acme/cnf-0-red is a VLAN of another port itself'],
      [
        'spec.trunk.parent: is required',
        'spec.trunk.vlanId: must be 1 to 4094',
        'spec.function: must be absent with trunk',
      ],
    ]);
    const becoming = lab.tryApply('Port', 'cnf-0', {
      network: 'blue',
      trunk: { parent: 'cnf-1', vlanId: 7 },
    });
    expect(becoming.ok ? [] : becoming.error.violations).toEqual([
      {
        field: 'spec.trunk',
        description: 'must be absent while others are VLANs of the port: port acme/cnf-0-red',
      },
    ]);
    checkInvariants(lab);
  });

  it('keeps its parent from being deleted', () => {
    const lab = world();
    const refused = lab.tryDelete('Port', 'cnf-0');
    expect(refused.ok ? '' : refused.error.message).toBe(
      'port acme/cnf-0 is in use by 1: port acme/cnf-0-red',
    );
    lab.delete('Port', 'cnf-0-red');
    lab.delete('Port', 'cnf-0');
    checkInvariants(lab);
  });
});
