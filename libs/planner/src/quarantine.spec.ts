import { describe, expect, it } from '@jest/globals';
import { findCondition } from '@outboard/model';
import { checkInvariants } from '../test/invariants.js';
import { identityOf, Lab } from '../test/lab.js';

const DPUS = ['dpu-1', 'dpu-2'];
const MAC = '02:00:00:00:00:01';

/** web-0 on dpu-1 and web-1 on dpu-2, applied everywhere. */
function world(): Lab {
  const lab = new Lab({ vniRange: { first: 100, last: 101 } });
  lab.fleet(DPUS, 3);
  lab.apply('Network', 'blue', {});
  lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/29' });
  lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0), macAddress: MAC });
  lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-2', 0) });
  for (const dpu of DPUS) lab.report(dpu);
  return lab;
}

const ipOf = (lab: Lab, port: string) => lab.port(port).status.addresses[0]?.ip;

function planned(lab: Lab, port: string): string {
  const condition = findCondition(lab.port(port).status.conditions, 'Planned');
  return `${condition?.reason}: ${condition?.message}`;
}

const vniOf = (lab: Lab, name: string) =>
  lab.records('Network').find(({ resource }) => resource.metadata.name === name)?.resource.status.segment
    ?.segmentationId;

describe('an address that was released', () => {
  it('is not allocated before every DPU that had it has let it go, over restarts too', () => {
    const lab = world();
    expect(ipOf(lab, 'web-0')).toBe('10.0.0.2');
    lab.delete('Port', 'web-0');
    lab.report('dpu-1');
    lab.restart();
    lab.apply('Port', 'web-2', { network: 'blue' });
    expect(ipOf(lab, 'web-2')).toBe('10.0.0.4');
    // What was confirmed to a service that is gone is asked for again.
    lab.report('dpu-2');
    lab.report('dpu-1');
    lab.apply('Port', 'web-3', { network: 'blue' });
    expect(ipOf(lab, 'web-3')).toBe('10.0.0.2');
    expect(lab.records('Release')).toEqual([]);
  });

  it('makes a port that asks for it wait, naming who still has it, and go on by itself', () => {
    const lab = world();
    lab.delete('Port', 'web-0');
    const addresses = [{ subnet: 'blue-v4', ip: '10.0.0.2' }];
    lab.apply('Port', 'web-2', { network: 'blue', function: identityOf('dpu-1', 0), addresses });
    expect(planned(lab, 'web-2')).toBe('AddressQuarantined: 10.0.0.2 may still be used by dpu-1, dpu-2');
    lab.report('dpu-1');
    expect(lab.port('web-2').status.dpu).toBeUndefined();
    lab.report('dpu-2');
    expect(planned(lab, 'web-2')).toBe('Planned: dpu-1');
    lab.report('dpu-1');
    expect(findCondition(lab.port('web-2').status.conditions, 'Ready')?.status).toBe('True');
    checkInvariants(lab);
  });

  it('is free at once when the DPU that had it is retired', () => {
    const lab = world();
    lab.delete('Port', 'web-0');
    lab.report('dpu-1');
    lab.apply('Port', 'web-2', {
      network: 'blue',
      function: identityOf('dpu-1', 0),
      addresses: [{ subnet: 'blue-v4', ip: '10.0.0.2' }],
    });
    expect(planned(lab, 'web-2')).toBe('AddressQuarantined: 10.0.0.2 may still be used by dpu-2');
    lab.retire('Dpu', 'dpu-2');
    expect(planned(lab, 'web-2')).toBe('Planned: dpu-1');
    checkInvariants(lab);
  });

  it('is free at once when no DPU ever had it', () => {
    const lab = world();
    lab.apply('Port', 'reserved', { network: 'blue' });
    const ip = ipOf(lab, 'reserved');
    lab.delete('Port', 'reserved');
    expect(lab.records('Release')).toEqual([]);
    lab.apply('Port', 'again', { network: 'blue' });
    expect(ipOf(lab, 'again')).toBe(ip);
  });

  it('is given back at once to the port that had it: its objects replace each other in order', () => {
    const lab = world();
    const apply = (ip: string) =>
      lab.apply('Port', 'web-0', {
        network: 'blue',
        function: identityOf('dpu-1', 0),
        macAddress: MAC,
        addresses: [{ subnet: 'blue-v4', ip }],
      });
    apply('10.0.0.5');
    apply('10.0.0.2');
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    expect(ipOf(lab, 'web-0')).toBe('10.0.0.2');
  });

  it('stays with a port that moves, which is planned on its new DPU at once', () => {
    const lab = world();
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-2', 1), macAddress: MAC });
    expect([ipOf(lab, 'web-0'), planned(lab, 'web-0')]).toEqual(['10.0.0.2', 'Planned: dpu-2']);
  });

  it('is quarantined for the DPU that a port had left before, if that has not let it go', () => {
    const lab = world();
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-2', 1), macAddress: MAC });
    lab.delete('Port', 'web-0');
    lab.report('dpu-2');
    lab.apply('Port', 'web-2', { network: 'blue' });
    expect(ipOf(lab, 'web-2')).not.toBe('10.0.0.2');
    lab.report('dpu-1');
    lab.apply('Port', 'web-3', { network: 'blue' });
    expect(ipOf(lab, 'web-3')).toBe('10.0.0.2');
  });

  it('is quarantined for a DPU of the network that still has a port which had lost its function', () => {
    const lab = world();
    lab.retire('Function', 'dpu-1-pf0vf0');
    lab.report('dpu-1');
    lab.delete('Port', 'web-0');
    lab.apply('Port', 'web-2', { network: 'blue' });
    expect(ipOf(lab, 'web-2')).not.toBe('10.0.0.2');
    lab.report('dpu-2');
    lab.apply('Port', 'web-3', { network: 'blue' });
    expect(ipOf(lab, 'web-3')).toBe('10.0.0.2');
  });

  it('is quarantined for a DPU whose document has been empty since the service started', () => {
    const lab = world();
    lab.dpu('dpu-1', { tunnelEndpoint: undefined });
    lab.report('dpu-2');
    lab.restart();
    lab.delete('Port', 'web-0');
    lab.report('dpu-2');
    lab.apply('Port', 'web-2', { network: 'blue' });
    expect(ipOf(lab, 'web-2')).not.toBe('10.0.0.2');
    lab.report('dpu-1');
    lab.apply('Port', 'web-3', { network: 'blue' });
    expect(ipOf(lab, 'web-3')).toBe('10.0.0.2');
  });

  it('exhausts a subnet until it is free again', () => {
    const lab = world();
    for (const name of ['a', 'b', 'c']) lab.apply('Port', name, { network: 'blue' });
    lab.delete('Port', 'web-0');
    const refused = lab.tryApply('Port', 'web-2', { network: 'blue' });
    expect(refused).toMatchObject({ ok: false, error: { reason: 'SUBNET_EXHAUSTED' } });
    for (const dpu of DPUS) lab.report(dpu);
    expect(lab.tryApply('Port', 'web-2', { network: 'blue' }).ok).toBe(true);
  });
});

describe('a MAC address that was released', () => {
  it('makes a port that asks for it wait as an address does', () => {
    const lab = world();
    lab.delete('Port', 'web-0');
    lab.apply('Port', 'web-2', { network: 'blue', function: identityOf('dpu-1', 0), macAddress: MAC });
    expect(planned(lab, 'web-2')).toBe(`AddressQuarantined: ${MAC} may still be used by dpu-1, dpu-2`);
    for (const dpu of DPUS) lab.report(dpu);
    expect(planned(lab, 'web-2')).toBe('Planned: dpu-1');
  });
});

describe('a segment that was released', () => {
  it('is not allocated before every DPU has let the network go', () => {
    const lab = world();
    lab.delete('Port', 'web-0');
    lab.delete('Port', 'web-1');
    lab.delete('Subnet', 'blue-v4');
    lab.delete('Network', 'blue');
    lab.apply('Network', 'red', {});
    expect(vniOf(lab, 'red')).toBe(101);
    expect(lab.tryApply('Network', 'green', {})).toMatchObject({
      ok: false,
      error: { reason: 'SEGMENTS_EXHAUSTED' },
    });
    lab.restart();
    for (const dpu of DPUS) lab.report(dpu);
    lab.apply('Network', 'green', {});
    expect(vniOf(lab, 'green')).toBe(100);
    expect(lab.records('Release')).toEqual([]);
  });

  it('makes a network that asks for it, and its ports, wait and go on by themselves', () => {
    const lab = world();
    for (const name of ['web-0', 'web-1']) lab.delete('Port', name);
    lab.delete('Subnet', 'blue-v4');
    lab.delete('Network', 'blue');
    lab.report('dpu-1');
    lab.apply('Network', 'red', { segment: { segmentationId: 100 } });
    lab.apply('Port', 'web-2', { network: 'red', function: identityOf('dpu-1', 0) });
    expect(planned(lab, 'web-2')).toBe('SegmentQuarantined: VXLAN 100 may still be used by dpu-2');
    const readyOf = () => findCondition(lab.records('Network')[0]?.resource.status.conditions ?? [], 'Ready');
    expect(readyOf()).toMatchObject({ status: 'False', reason: 'SegmentQuarantined' });
    lab.report('dpu-2');
    expect(planned(lab, 'web-2')).toBe('Planned: dpu-1');
    expect(readyOf()).toMatchObject({ status: 'True' });
    checkInvariants(lab);
  });

  it('is free at once when no DPU ever had it', () => {
    const lab = world();
    lab.apply('Network', 'red', {});
    lab.delete('Network', 'red');
    lab.apply('Network', 'green', {});
    expect(vniOf(lab, 'green')).toBe(101);
  });
});
