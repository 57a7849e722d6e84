import { beforeEach, describe, expect, it } from '@jest/globals';
import { ok, unwrap } from '@outboard/core';
import { compileSchema } from '@outboard/json-schema';
import { parseManifest } from '@outboard/model';
import { SchemaJudgements } from '../src/domain/workloads/schema-judgements.js';
import { functionOf } from './admin-laboratory.js';
import {
  apply,
  commandOf,
  context,
  documentOf,
  domain,
  found,
  healthy,
  nextRevision,
  ON_DPU_1,
  planned,
  portOf,
  register,
  remove,
  reset,
  run,
  START,
  tell,
  tellPort,
} from './workload-world.js';

beforeEach(reset);

describe('a workload is placed', () => {
  it('where most memory is free, and stays there', () => {
    register('dpu-1', { memoryMebibytes: 500 });
    run('one');
    expect(planned('one')).toEqual(['Placed', 'on dpu-1']);
    register('dpu-2');
    run('two');
    expect([found('one')?.status.dpu, found('two')?.status.dpu]).toEqual(['dpu-1', 'dpu-2']);
    expect([documentOf('dpu-1'), documentOf('dpu-2')]).toEqual([['workload'], ['workload']]);
  });

  it('only where there is room, and when others have gone', () => {
    register('dpu-1');
    run('one', { resources: { memoryMebibytes: 900 } });
    run('two', { resources: { memoryMebibytes: 200 } });
    expect(planned('two')).toEqual([
      'InsufficientResources',
      'it needs 100 millicores and 200 MiB; free are: dpu-1 has 1900 and 100',
    ]);
    expect(documentOf('dpu-1')).toEqual(['workload']);
    unwrap(remove('Workload', 'one'));
    expect(planned('two')).toEqual(['Placed', 'on dpu-1']);
  });

  it('on the DPU that it names, or one with its labels, once there is one', () => {
    run('named', { dpu: 'dpu-1' });
    run('selecting', { dpuSelector: { matchLabels: { rack: 'r1' } } });
    expect(planned('named')).toEqual(['DpuUnknown', 'there is no dpu dpu-1']);
    expect(planned('selecting')).toEqual(['DpuUnknown', 'no DPU has these labels']);
    register('dpu-1');
    expect(planned('named')).toEqual(['Placed', 'on dpu-1']);
    const labels = { metadata: { name: 'dpu-1', labels: { rack: 'r1' } }, spec: {} };
    const manifest = { apiVersion: 'admin.outboard.dev/v1alpha1', kind: 'Dpu', ...labels };
    unwrap(domain.decide({ operation: 'apply', intent: unwrap(parseManifest(manifest)) }, context()));
    expect(planned('selecting')).toEqual(['Placed', 'on dpu-1']);
  });

  it('nowhere new while its DPU is not connected; what is there stays', () => {
    register('dpu-1');
    run('one');
    const at = context();
    domain.followed(domain.inventory.setConnected('dpu-1', false, at), at);
    run('two');
    expect(planned('two')).toEqual(['DpuUnavailable', 'not connected, or taken out of service: dpu-1']);
    expect(planned('one')).toEqual(['Placed', 'on dpu-1']);
  });
});

describe('ports of a workload', () => {
  const withPort = (name: string) => run(name, { interfaces: [{ name: 'eth0', port: 'p' }] });

  it('are waited for, and given with what network-intent says of them', () => {
    register('dpu-1');
    withPort('one');
    expect(planned('one')[0]).toBe('PortsMissing');
    expect(documentOf('dpu-1')).toEqual([]);
    tellPort('p', portOf('p', ON_DPU_1, 1));
    expect(planned('one')).toEqual(['Placed', 'on dpu-1']);
    expect(found('one')?.status.ports).toMatchObject([
      {
        interface: 'eth0',
        representor: 'pf0sf1',
        mtu: 1450,
        addresses: ['10.0.1.5/24'],
        gateways: ['10.0.1.1'],
      },
    ]);
    expect(documentOf('dpu-1')).toEqual(['workload']);
    tellPort('p', undefined);
    expect(planned('one')[0]).toBe('PortsMissing');
    expect(documentOf('dpu-1')).toEqual([]);
  });

  it('stay as they were while nothing is known of them, as after a start', () => {
    register('dpu-1');
    tellPort('p', portOf('p', ON_DPU_1, 1));
    withPort('one');
    const stored = [...domain.inventory.dpus(), found('one')];
    domain.reload(stored, nextRevision());
    register('dpu-1', { workerVersion: '2.0.0' });
    expect(planned('one')).toEqual(['Placed', 'on dpu-1']);
    expect(documentOf('dpu-1')).toEqual(['workload']);
  });

  it('are given as well when that could not be stored at first', () => {
    register('dpu-1');
    withPort('one');
    tellPort('other', undefined);
    const stored = [...domain.inventory.dpus(), found('one')];
    tellPort('p', portOf('p', ON_DPU_1, 1));
    domain.reload(stored, nextRevision());
    expect(planned('one')[0]).toBe('PortsMissing');
    const again = { tenant: 'acme', name: 'p', port: portOf('p', ON_DPU_1, 1) };
    expect(domain.concernsWorkloads([again])).toBe(true);
    tellPort('p', again.port);
    expect(planned('one')).toEqual(['Placed', 'on dpu-1']);
    expect(domain.concernsWorkloads([again])).toBe(false);
  });

  it('are functions of the DPU itself, on the DPU that it runs on, and of one workload', () => {
    register('dpu-1');
    register('dpu-2');
    tellPort('p', portOf('p', ON_DPU_1));
    run('one', { dpu: 'dpu-2', interfaces: [{ name: 'eth0', port: 'p' }] });
    expect(planned('one')[1]).toContain('has no function of a DPU for itself');
    tellPort('p', portOf('p', ON_DPU_1, 1));
    expect(planned('one')).toEqual(['PortsMissing', 'port p is on dpu-1, not on dpu-2']);
    run('two', { dpu: 'dpu-1', interfaces: [{ name: 'eth0', port: 'p' }] });
    run('three', { dpu: 'dpu-1', interfaces: [{ name: 'eth0', port: 'p' }] });
    expect(planned('three')).toEqual(['PortsMissing', 'port p belongs to workload two']);
  });
});

describe('what a worker tells of a workload', () => {
  beforeEach(() => {
    register('dpu-1');
    register('dpu-2');
    run('one', { dpu: 'dpu-1' });
  });

  it.each([
    [{}, 'Running'],
    [{ ready: false, message: 'probe fails' }, 'NotReady'],
    [{ state: 'SUCCEEDED', ready: false }, 'Running'],
    [{ state: 'FAILED' }, 'Failed'],
    [{ state: 'STARTING' }, 'Starting'],
    [{ state: 'STOPPING' }, 'Stopping'],
    [{ state: 'BACKOFF', lastTermination: { reason: 'ERROR' } }, 'BackingOff'],
    [{ state: 'BACKOFF', message: 'ended 3 times', lastTermination: { reason: 'ERROR' } }, 'CrashLoop'],
    [{ state: 'BACKOFF', lastTermination: { reason: 'CANNOT_START' } }, 'CannotStart'],
    [{ generation: 7 }, 'Starting'],
  ])('%j means %s', (report, reason) => {
    tell('dpu-1', 'one', report);
    expect(healthy('one')).toBe(reason);
  });

  it('says nothing where it is another DPU, and is unknown while the DPU is unreachable', () => {
    expect(tell('dpu-2', 'one', {})).toEqual([]);
    expect(healthy('one')).toBe('NeverReported');
    tell('dpu-1', 'one', {});
    const at = context();
    domain.followed(domain.inventory.setConnected('dpu-1', false, at), at);
    expect(healthy('one')).toBe('DpuUnreachable');
    domain.followed(domain.inventory.setConnected('dpu-1', true, at), at);
    expect(healthy('one')).toBe('Running');
  });
});

describe('the configuration of an interface', () => {
  const configuration = { type: 'object', properties: { level: { type: 'integer', maximum: 9 } } };
  const published = { interfaces: [{ name: 'rules', version: '1.0.0', configuration }] };
  const level = (value: unknown, workload = 'one') =>
    apply('WorkloadConfiguration', 'c', { workload, interface: 'rules', configuration: { level: value } });
  const reasons = () => {
    const subject = unwrap(level(3)).resource;
    return subject.status.conditions.map(({ reason }) => reason);
  };

  beforeEach(() => {
    register('dpu-1', { functions: [functionOf()] });
    run('one');
  });

  it('needs a workload, and waits for the interface', () => {
    expect(level(3, 'none')).toMatchObject({ ok: false, error: { reason: 'REFERENCE_NOT_FOUND' } });
    expect(reasons()).toEqual(['Valid', 'NotPublished', 'Pending', 'NotPublished']);
    expect(documentOf('dpu-1')).toEqual(['workload', 'workloadconfiguration']);
    expect(remove('Workload', 'one')).toMatchObject({ ok: false, error: { reason: 'IN_USE' } });
  });

  it('is refused by the schema that is published, and ready when the CNF has taken it', () => {
    const { uid } = unwrap(level(3)).resource.metadata;
    tell('dpu-1', 'one', published);
    expect(level(10)).toMatchObject({
      ok: false,
      error: { reason: 'SCHEMA_MISMATCH', violations: [{ field: 'spec.configuration.level' }] },
    });
    expect(reasons()).toEqual(['Valid', 'Fits', 'Pending', 'Pending']);
    const told = { uid, generation: 1, appliedGeneration: 1, interfaceVersion: '1.0.0', state: 'APPLIED' };
    tell('dpu-1', 'one', { ...published, configurations: [told] });
    expect(reasons()).toEqual(['Valid', 'Fits', 'Taken', 'Taken']);
    tell('dpu-1', 'one', { ...published, configurations: [{ ...told, state: 'REFUSED', message: 'no' }] });
    expect(reasons()[2]).toBe('Refused');
  });

  it('is applied as its DPU has told, which no other DPU can, and on another one only when that tells it', () => {
    register('dpu-2', { functions: [functionOf()] });
    const { metadata } = unwrap(level(3)).resource;
    const told = { uid: metadata.uid, generation: 1, appliedGeneration: 1, state: 'APPLIED' };
    run('two', { dpu: 'dpu-2' });
    tell('dpu-2', 'two', { ...published, configurations: [told] });
    expect(reasons()[2]).toBe('Pending');
    tell('dpu-1', 'one', { ...published, configurations: [told] });
    expect(reasons()[2]).toBe('Taken');
    const subject = unwrap(level(3)).resource;
    domain.reload([...domain.inventory.dpus(), found('one'), subject], nextRevision());
    tell('dpu-1', 'one', published);
    expect(reasons()[2]).toBe('Taken');
    run('one', { dpu: 'dpu-2' });
    expect([reasons()[2], unwrap(level(3)).resource.status]).toMatchObject([
      'Pending',
      { appliedGeneration: 0 },
    ]);
  });

  it('is one for each interface', () => {
    unwrap(level(3));
    const other = apply('WorkloadConfiguration', 'other', {
      workload: 'one',
      interface: 'rules',
      configuration: {},
    });
    expect(other).toMatchObject({ ok: false, error: { reason: 'INTERFACE_TAKEN' } });
  });
});

it('a dry run changes nothing, and tells what of the document it would change', () => {
  register('dpu-1');
  const before = documentOf('dpu-1');
  const plan = unwrap(domain.plan(commandOf('Workload', 'one', { command: ['/bin/true'] }), context()));
  expect(plan).toMatchObject({
    changed: ['Workload/acme/one', 'Dpu/_/dpu-1'],
    documents: [{ dpu: 'dpu-1' }],
  });
  expect(found('one')).toBeUndefined();
  expect(documentOf('dpu-1')).toEqual(before);
});

describe('what a schema says of a configuration', () => {
  const schema = { type: 'object', properties: { level: { type: 'integer', maximum: 9 } } };

  it('is asked once in a while, however often it is wanted, and is told at its place', () => {
    let asked = 0;
    const judgements = new SchemaJudgements((...schemas) => {
      asked++;
      return compileSchema(...schemas);
    });
    const judge = (level: number, now: number) =>
      judgements.violationsOf({ ...schema }, { level }, 'spec.configuration', now).map(({ field }) => field);
    for (const now of [START, START + 59_000, START - 59_000])
      expect(judge(10, now)).toEqual(['spec.configuration.level']);
    expect([judge(3, START), asked]).toEqual([[], 2]);
    for (const now of [START + 60_000, START - 1_000_000]) judge(3, now);
    expect(asked).toBe(4);
  });

  it('is kept of the last thousand', () => {
    let asked = 0;
    const judgements = new SchemaJudgements(() => {
      asked++;
      return ok({ problemsOf: () => [] });
    });
    for (let level = 0; level <= 1_024; level++) judgements.violationsOf({}, { level }, '', START);
    for (const level of [1, 1_024, 0]) judgements.violationsOf({}, { level }, '', START);
    expect(asked).toBe(1_025 + 1);
  });
});
