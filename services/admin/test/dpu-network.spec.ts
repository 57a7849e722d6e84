import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AdminObjectSchema,
  ConfirmRequestSchema,
  ConfirmResponseSchema,
  decodeBinary,
  encodeBinary,
  ObjectProblem_State,
  subjects,
} from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import type { FakeWorker } from '@outboard/document-owner/testing';
import { settled } from '@outboard/resource-service/testing';
import { AdminLaboratory, reportOf } from './admin-laboratory.js';

const KIND = 'dpunetworkconfiguration';
const uplink = (...addresses: string[]) => ({ interfaces: [{ device: 'up0', mtu: 9000, addresses }] });

describe('the network of a DPU', () => {
  let laboratory: AdminLaboratory;
  beforeEach(async () => {
    laboratory = await AdminLaboratory.open();
  });
  afterEach(() => laboratory.close());

  const apply = (name: string, spec: object) => laboratory.apply('DpuNetworkConfiguration', name, spec);
  const register = (name: string, address: string) =>
    laboratory.report(name, reportOf(`SN-${name}`, { underlay: { device: 'up0', address, mtu: 1500 } }));
  const ready = (name: string) => {
    const found = laboratory.network(name)?.status;
    const condition = found?.conditions.find(({ type }) => type === 'Ready');
    return [condition?.reason, found?.confirmedGeneration, condition?.message];
  };
  const underlayOf = (worker: FakeWorker) => {
    const bytes = worker.entries.get('underlay');
    return bytes && unwrap(decodeBinary(AdminObjectSchema, bytes)).object.value;
  };
  const follow = async (name: string): Promise<FakeWorker> => {
    const worker = await laboratory.follow(name);
    await settled();
    return worker;
  };
  const quiet = async (worker: FakeWorker) => {
    await settled();
    await worker.idle();
    await settled();
  };

  it('waits for its DPU, is handed to its worker, and is confirmed when that has applied it', async () => {
    unwrap(await apply('dpu-7', uplink('10.254.7.1/24')));
    expect(ready('dpu-7')).toEqual(['Pending', 0, 'no worker of dpu-7 has registered']);
    await register('dpu-7', '10.254.0.7');
    const worker = await follow('dpu-7');
    expect(underlayOf(worker)).toMatchObject({
      generation: 1,
      interfaces: [{ device: 'up0', mtu: 9000, addresses: ['10.254.7.1/24'] }],
      confirmTimeoutSeconds: 30,
    });
    expect(ready('dpu-7').slice(0, 2)).toEqual(['Confirmed', 1]);
    worker.isReporting = false;
    unwrap(await apply('dpu-7', uplink('10.254.7.2/24')));
    expect(ready('dpu-7')).toEqual(['Applying', 1, 'dpu-7 has not confirmed generation 2']);
    await worker.report();
    await quiet(worker);
    expect(ready('dpu-7').slice(0, 2)).toEqual(['Confirmed', 2]);
    expect(laboratory.events).toContain('dpu-7 ready');
    await worker.stop();
  });

  it('that did not hold says so and why, until another attempt makes a new generation', async () => {
    await register('dpu-7', '10.254.0.7');
    const worker = await follow('dpu-7');
    worker.problems.set('underlay', { message: 'no answer in 30 s', rolledBack: true });
    unwrap(await apply('dpu-7', uplink('10.254.7.1/24')));
    await quiet(worker);
    expect(ready('dpu-7')).toEqual(['RolledBack', 0, 'generation 1: no answer in 30 s']);
    worker.problems.set('underlay', { state: ObjectProblem_State.PENDING, message: 'no device up0' });
    unwrap(await apply('dpu-7', { ...uplink('10.254.7.1/24'), attempt: 1 }));
    await quiet(worker);
    expect(ready('dpu-7')).toEqual(['Waiting', 0, 'generation 2: no device up0']);
    worker.problems.clear();
    await worker.report();
    expect(ready('dpu-7').slice(0, 2)).toEqual(['Confirmed', 2]);
    await worker.stop();
  });

  it('is not confirmed by what was applied before it', async () => {
    await register('dpu-7', '10.254.0.7');
    const worker = await follow('dpu-7');
    worker.isCutOff = true;
    unwrap(await apply('dpu-7', uplink('10.254.7.1/24')));
    worker.isCutOff = false;
    await worker.report();
    expect(ready('dpu-7')[0]).toBe('Applying');
    await worker.sync();
    await quiet(worker);
    expect(ready('dpu-7')[0]).toBe('Confirmed');
    await worker.stop();
  });

  it('outlives a restart, and leaves the document when it is deleted', async () => {
    await register('dpu-7', '10.254.0.7');
    unwrap(await apply('dpu-7', uplink('10.254.7.1/24')));
    await laboratory.restart();
    const worker = await follow('dpu-7');
    expect(worker.keys()).toEqual(['underlay']);
    unwrap(await laboratory.remove(KIND, 'dpu-7'));
    await quiet(worker);
    expect(worker.keys()).toEqual([]);
    expect(worker.isConsistent).toBe(true);
    expect(laboratory.network('dpu-7')).toBeUndefined();
    await worker.stop();
  });

  it('that is deleted and does not let go is told of by its DPU, until it has or another is there', async () => {
    await register('dpu-7', '10.254.0.7');
    unwrap(await apply('dpu-7', uplink('10.254.7.1/24')));
    const worker = await follow('dpu-7');
    const kept = () => [laboratory.health('Dpu', 'dpu-7'), laboratory.dpu('dpu-7')?.status.networkKept];
    worker.problems.set('underlay', { message: 'no answer in 30 s', rolledBack: true });
    unwrap(await laboratory.remove(KIND, 'dpu-7'));
    await quiet(worker);
    expect(kept()).toEqual(['NetworkKept', 'no answer in 30 s']);
    expect(laboratory.events).toContain('dpu-7 notready');
    await laboratory.restart();
    await register('dpu-7', '10.254.0.7');
    expect(kept()).toEqual(['NetworkKept', 'no answer in 30 s']);
    worker.problems.set('underlay', { message: 'not confirmed yet', underWay: true });
    await worker.report();
    expect(kept()[0]).toBe('NetworkKept');
    worker.problems.clear();
    await worker.sync();
    await quiet(worker);
    expect(kept()).toEqual(['LeaseRenewed', undefined]);
    await worker.stop();
  });

  it('can be planned, which shows the object and changes nothing', async () => {
    await register('dpu-7', '10.254.0.7');
    const worker = await follow('dpu-7');
    const manifest = { apiVersion: 'admin.outboard.dev/v1alpha1', kind: 'DpuNetworkConfiguration' };
    const metadata = { name: 'dpu-7' };
    const plan = unwrap(
      await laboratory.request('plan', KIND, { ...manifest, metadata, spec: uplink('10.254.7.1/24') }),
    );
    expect(plan).toMatchObject({
      changed: ['DpuNetworkConfiguration/_/dpu-7'],
      documents: [{ dpu: 'dpu-7', upserts: ['underlay'], deletes: [] }],
    });
    await quiet(worker);
    expect([laboratory.network('dpu-7'), worker.deltas.length]).toEqual([undefined, 0]);
    await worker.stop();
  });

  it('has no tunnel endpoint of another DPU, whether that is configured or told; other devices may repeat', async () => {
    await register('dpu-7', '10.254.0.7');
    await register('dpu-8', '10.254.0.8');
    const management = { device: 'tmfifo_net0', addresses: ['192.168.100.2/30'] };
    const withManagement = (...addresses: string[]) => ({
      interfaces: [...uplink(...addresses).interfaces, management],
    });
    unwrap(await apply('dpu-7', withManagement('10.254.7.1/24')));
    unwrap(await apply('dpu-8', withManagement('10.254.8.1/24')));
    expect(await apply('dpu-8', uplink('10.254.8.1/24', '10.254.7.1/16', '10.254.0.7/24'))).toMatchObject({
      error: {
        code: 'INVALID_ARGUMENT',
        violations: [
          { field: 'spec.interfaces[0].addresses[1]' },
          { field: 'spec.interfaces[0].addresses[2]' },
        ],
      },
    });
  });

  it('is confirmed by an answer to this one question, to a DPU that is known', async () => {
    const ask = async (dpu: string) => {
      const nonce = new Uint8Array(16).fill(7);
      const request = create(ConfirmRequestSchema, { incarnation: 'boot', uid: 'u', generation: 3, nonce });
      const body = encodeBinary(ConfirmRequestSchema, request);
      const subject = subjects.dpu(dpu, 'confirm', 'admin');
      return laboratory.bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 1_000 });
    };
    expect(await ask('dpu-7')).toMatchObject({ error: { code: 'NOT_FOUND' } });
    await register('dpu-7', '10.254.0.7');
    const answer = unwrap(decodeBinary(ConfirmResponseSchema, unwrap(await ask('dpu-7')).body));
    expect(answer).toMatchObject({ uid: 'u', generation: 3, nonce: new Uint8Array(16).fill(7) });
  });
});
