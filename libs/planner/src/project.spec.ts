import { describe, expect, it } from '@jest/globals';
import { DataplaneObjectSchema, decodeBinary } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { findCondition, type Name } from '@outboard/model';
import { checkInvariants } from '../test/invariants.js';
import { identityOf, Lab } from '../test/lab.js';
import { compileDocument, type DpuRecord, documentHead, project } from './index.js';

function planned(lab: Lab, port: string): string {
  const condition = findCondition(lab.port(port).status.conditions, 'Planned');
  return `${condition?.reason}: ${condition?.message}`;
}

const web = (lab: Lab, more: object = {}) =>
  lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0), ...more });

/** A port on a function that nobody has told of. */
function world(more: object = {}, network: object = {}): Lab {
  const lab = new Lab();
  lab.apply('Network', 'blue', network);
  web(lab, more);
  return lab;
}

describe('a port on an unknown function', () => {
  it('is Pending, not refused, and says what is missing next until it is planned', () => {
    const lab = world();
    const seen = [planned(lab, 'web-0')];
    const tell = (act: () => unknown) => {
      act();
      seen.push(planned(lab, 'web-0'));
    };
    tell(() => lab.function('dpu-1', 0, null));
    tell(() => lab.function('dpu-1', 0));
    tell(() => lab.dpu('dpu-1', { tunnelEndpoint: undefined }));
    tell(() => lab.dpu('dpu-1', { underlayMtu: undefined }));
    tell(() => lab.dpu('dpu-1', { underlayMtu: 1300 }));
    tell(() => lab.dpu('dpu-1'));
    expect(seen).toEqual([
      'FunctionUnknown: no DPU has shown SN-dpu-1/08:c0:eb:00:00:01/0',
      'RepresentorUnknown: dpu-1: dpu-1-pf0vf0',
      'FunctionUnknown: dpu-1-pf0vf0 is of dpu-1, which is not known or not in use',
      'UnderlayUnknown: dpu-1',
      'UnderlayUnknown: dpu-1',
      'UnderlayTooSmall: dpu-1 carries 1250 bytes, 1280 are needed',
      'Planned: dpu-1',
    ]);
    expect(lab.port('web-0').status).toMatchObject({ dpu: 'dpu-1', representor: 'pf0vf0', mtu: 1450 });
    checkInvariants(lab);
  });

  it('waits for hardware when offload is REQUIRED, and is told why when it is PREFERRED or NEVER', () => {
    const lab = world({ offload: 'REQUIRED' });
    lab.fleet(['dpu-1'], 1);
    expect(planned(lab, 'web-0')).toBe('NoHardware: dpu-1 cannot realise ports in hardware');
    lab.dpu('dpu-1', { hardwareOffload: true });
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    expect(lab.port('web-0').status.offload).toBeUndefined();
    web(lab, { offload: 'NEVER' });
    expect(lab.port('web-0').status.offload).toEqual({ state: 'SOFTWARE', reason: 'NotWanted' });
    lab.dpu('dpu-1');
    web(lab, { offload: 'PREFERRED' });
    expect(lab.port('web-0').status.offload).toEqual({ state: 'SOFTWARE', reason: 'NoHardware' });
  });

  it('is in hardware unless its DPU tells why not, and if that is REQUIRED not applied without', () => {
    const lab = world({ offload: 'REQUIRED' });
    lab.fleet(['dpu-1'], 1);
    lab.dpu('dpu-1', { hardwareOffload: true });
    const key = `endpoint/${lab.port('web-0').metadata.uid}`;
    const tell = (
      inSoftware: readonly (readonly [string, string])[],
      inSoftwareTotal = inSoftware.length,
    ) => {
      const { sequence } = documentHead(lab.world, 'dpu-1' as Name);
      const offload = { inSoftware: new Map(inSoftware), inSoftwareTotal };
      const { changes } = lab.reportSequence('dpu-1', sequence, [], 0, offload);
      const { status } = lab.port('web-0');
      return [changes.length, status.offload, findCondition(status.conditions, 'Applied')?.reason];
    };
    const inHardware = { state: 'HARDWARE', reason: 'OffloadedByDataplane' };
    expect(tell([])).toEqual([1, inHardware, 'AppliedAndReadBack']);
    expect(tell([])).toEqual([0, inHardware, 'AppliedAndReadBack']);
    const full = { state: 'SOFTWARE', reason: 'table 3 is full' };
    expect(tell([[key, full.reason]])).toEqual([1, full, 'NotInHardware']);
    // A list that was cut does not tell.
    expect(tell([], 1)).toEqual([1, undefined, 'AppliedAndReadBack']);
    expect(tell([])).toEqual([1, inHardware, 'AppliedAndReadBack']);
    lab.restart();
    lab.dpu('dpu-1', { hardwareOffload: true, underlayMtu: 1700 });
    expect(lab.port('web-0').status.offload).toEqual(inHardware);
    web(lab, { offload: 'PREFERRED' });
    expect(lab.port('web-0').status.offload).toBeUndefined();
    web(lab, { offload: 'REQUIRED', adminState: 'DOWN' });
    expect(tell([[key, 'NothingForwarded']])).toEqual([1, undefined, 'AppliedAndReadBack']);
    lab.dpu('dpu-1', { hardwareOffload: false });
    checkInvariants(lab);
  });

  it("waits for an underlay that carries the network's MTU, or for a smaller MTU", () => {
    const lab = world({}, { mtu: 8000 });
    lab.fleet(['dpu-1'], 1);
    expect(planned(lab, 'web-0')).toBe('UnderlayTooSmall: dpu-1 carries 1450 bytes, 8000 are needed');
    lab.dpu('dpu-1', { underlayMtu: 9000 });
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    lab.dpu('dpu-1');
    lab.apply('Network', 'blue', { mtu: 1430 });
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    expect(lab.port('web-0').status.mtu).toBe(1430);
    lab.apply('Network', 'blue', {});
    expect(lab.port('web-0').status.mtu).toBe(1450);
    checkInvariants(lab);
  });
});

describe('a DPU that takes no new ports', () => {
  it('keeps those that it has, also while they wait there, and gets the others when it is used again', () => {
    const lab = world();
    lab.fleet(['dpu-1', 'dpu-2'], 2);
    lab.dpu('dpu-1', { schedulable: false });
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    lab.function('dpu-1', 0, null);
    expect(planned(lab, 'web-0')).toBe('RepresentorUnknown: dpu-1: dpu-1-pf0vf0');
    lab.restart();
    lab.function('dpu-1', 0);
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-1', 1) });
    expect(planned(lab, 'web-1')).toBe('DpuUnschedulable: dpu-1 takes no new ports: see its lifecycle');
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-2', 0) });
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-2');
    lab.apply('Port', 'web-0', { network: 'blue', function: identityOf('dpu-1', 0) });
    expect(planned(lab, 'web-0')).toMatch('DpuUnschedulable');
    checkInvariants(lab);
    lab.dpu('dpu-1');
    expect([planned(lab, 'web-0'), planned(lab, 'web-1')]).toEqual(['Planned: dpu-1', 'Planned: dpu-1']);
  });
});

describe('the inventory', () => {
  it('told again changes nothing, and nothing but what a difference matters to', () => {
    const lab = world();
    lab.fleet(['dpu-1'], 2);
    const changes = lab.changes.length;
    lab.restart();
    expect([lab.dpu('dpu-1').changes, lab.function('dpu-1', 0).changes]).toEqual([[], []]);
    expect(lab.dpu('dpu-1', { underlayMtu: 1501, serialNumber: undefined }).changes).toMatchObject([
      { after: { kind: 'Dpu' } },
      { after: { kind: 'Network' } },
      { after: { kind: 'Port' } },
    ]);
    expect(lab.dpu('dpu-1', { underlayMtu: 1501 }).changes).toMatchObject([{ after: { kind: 'Dpu' } }]);
    lab.dpu('dpu-1');
    expect(lab.retire('Dpu', 'dpu-9').changes).toEqual([]);
    expect(lab.retire('Function', 'dpu-9-pf0vf0').changes).toEqual([]);
    // The two changes of the MTU.
    expect(lab.changes).toHaveLength(changes + 2);
  });

  it('that loses a function disconnects its port, which keeps what it was given', () => {
    const lab = world();
    lab.fleet(['dpu-1'], 1);
    const { macAddress } = lab.port('web-0').status;
    lab.retire('Function', 'dpu-1-pf0vf0');
    expect(planned(lab, 'web-0')).toContain('FunctionUnknown');
    expect(lab.port('web-0').status.dpu).toBeUndefined();
    expect(lab.port('web-0').status.macAddress).toBe(macAddress);
    expect(compileDocument(lab.world, 'dpu-1' as Name).objects).toEqual([]);
    lab.function('dpu-1', 0);
    expect(lab.port('web-0').status).toMatchObject({ dpu: 'dpu-1', macAddress });
  });

  it('that tells one identity of two functions uses the first by name, in whatever order they came', () => {
    for (const names of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const lab = world();
      lab.dpu('dpu-1');
      const changes = names.map((name) => ({
        operation: 'put' as const,
        record: {
          kind: 'Function' as const,
          name: name as Name,
          dpu: 'dpu-1' as Name,
          identity: identityOf('dpu-1', 0),
          representor: `rep-${name}`,
        },
      }));
      project(lab.world, changes, lab.context);
      lab.commit();
      expect(lab.world.ports.get('acme/web-0')?.record.resource.status.representor).toBe('rep-a');
    }
  });

  it('that lacks the underlay of a DPU for a moment leaves its ports where they are, until it is retired', () => {
    const lab = world();
    lab.fleet(['dpu-1'], 1);
    const head = documentHead(lab.world, 'dpu-1' as Name);
    for (const unknown of [{ tunnelEndpoint: undefined }, { underlayMtu: undefined }]) {
      expect(lab.dpu('dpu-1', unknown).changes).toEqual([]);
      lab.restart();
      expect(lab.dpu('dpu-1', unknown).changes).toEqual([]);
    }
    expect(documentHead(lab.world, 'dpu-1' as Name).digest).toEqual(head.digest);
    lab.dpu('dpu-1', { tunnelEndpoint: undefined, underlayMtu: undefined, reachable: false });
    expect(findCondition(lab.port('web-0').status.conditions, 'Healthy')?.reason).toBe('DpuUnreachable');
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
    lab.retire('Dpu', 'dpu-1');
    lab.dpu('dpu-1', { tunnelEndpoint: undefined });
    expect(planned(lab, 'web-0')).toBe('UnderlayUnknown: dpu-1');
    checkInvariants(lab);
  });

  it('that tells another underlay of a DPU moves its tunnels there', () => {
    const lab = world();
    lab.fleet(['dpu-1', 'dpu-2'], 1);
    lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-2', 0) });
    lab.dpu('dpu-1', { tunnelEndpoint: undefined });
    const endpoint = '192.0.2.77' as NonNullable<DpuRecord['tunnelEndpoint']>;
    lab.dpu('dpu-1', { tunnelEndpoint: endpoint });
    const peers = compileDocument(lab.world, 'dpu-2' as Name)
      .objects.map(({ object }) => unwrap(decodeBinary(DataplaneObjectSchema, object)).object)
      .filter((object) => object.case === 'tunnelPeer');
    expect(peers).toMatchObject([{ value: { tunnelEndpoint: endpoint } }]);
  });

  it('of a DPU that comes again goes on with later sequences than before', () => {
    const lab = world();
    lab.fleet(['dpu-1'], 1);
    const before = documentHead(lab.world, 'dpu-1' as Name).sequence;
    lab.retire('Dpu', 'dpu-1');
    expect(documentHead(lab.world, 'dpu-1' as Name)).toEqual({ sequence: 0, digest: new Uint8Array(16) });
    lab.dpu('dpu-1');
    expect(documentHead(lab.world, 'dpu-1' as Name).sequence).toBeGreaterThan(before);
    expect(planned(lab, 'web-0')).toBe('Planned: dpu-1');
  });
});
