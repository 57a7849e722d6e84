import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AdminObjectSchema, decodeBinary } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import type { FakeWorker } from '@outboard/document-owner/testing';
import { settled } from '@outboard/resource-service/testing';
import { AdminLaboratory, functionOf, portOf, type ReportInit, reportOf } from './admin-laboratory.js';

const SN = 'MT2113X00042';
const KIND = 'functionpool';

/** A function that the worker has made. */
const made = (sfNumber: number) =>
  functionOf(undefined, {
    flavour: 'VIRTUAL',
    sfNumber,
    netdev: `pf0sf${sfNumber}`,
    attachment: 'DPU',
    external: false,
  });

describe('a pool of functions on DPUs', () => {
  let laboratory: AdminLaboratory;
  let worker: FakeWorker;
  beforeEach(async () => {
    laboratory = await AdminLaboratory.open();
    await laboratory.report('dpu-7', reportOf(SN));
    worker = await laboratory.follow('dpu-7');
  });
  afterEach(async () => {
    await worker.stop();
    await laboratory.close();
  });

  const quiet = async (): Promise<void> => {
    await settled();
    await worker.idle();
    await settled();
  };
  const apply = (name: string, spec: object) => laboratory.apply('FunctionPool', name, spec);
  /** What the worker has to make for a pool. */
  const objectOf = (pool: string) => {
    const object = worker.entries.get(`virtualfunctions/${pool}`);
    const value = object && unwrap(decodeBinary(AdminObjectSchema, object)).object;
    return value?.case === 'virtualFunctions' ? value.value : undefined;
  };
  const wanted = (pool = 'workloads'): readonly number[] => objectOf(pool)?.sfNumbers ?? [];
  const madeOf = (pool = 'workloads'): number | undefined => objectOf(pool)?.pfNumber;
  /** The worker makes what is wanted, and no more than that. */
  const makes = async (more: readonly number[] = []): Promise<void> => {
    const numbers = new Set([...['workloads', 'others'].flatMap((pool) => wanted(pool)), ...more]);
    const functions = [functionOf(), functionOf(0), ...[...numbers].map(made)];
    unwrap(await laboratory.report('dpu-7', reportOf(SN, { functions })));
    await quiet();
  };
  const bind = async (port: string, sfNumber: number): Promise<void> => {
    await laboratory.publishPort(port, portOf(port, { serialNumber: SN, sfNumber }));
    await quiet();
  };
  const release = async (port: string): Promise<void> => {
    await laboratory.publishPort(port, undefined);
    await quiet();
  };
  const status = (name = 'workloads') => {
    const { total, used, free, conditions } = laboratory.pool(name)?.status ?? {};
    return [total, used, free, conditions?.find(({ type }) => type === 'Healthy')?.reason];
  };

  it('has its minimum made, and more as ports bind what is free, up to its maximum', async () => {
    unwrap(await apply('workloads', { minimumFree: 2, maximum: 4 }));
    await quiet();
    expect([wanted(), status()]).toEqual([
      [1, 2],
      [0, 0, 0, 'BelowMinimum'],
    ]);
    await makes();
    expect(status()).toEqual([2, 0, 2, 'Replenished']);
    expect(laboratory.function('dpu-7-pf0sf1')?.spec.pool).toBe('workloads');
    await bind('fw', 1);
    expect(wanted()).toEqual([1, 2, 3]);
    await makes();
    await bind('nat', 3);
    await makes();
    expect([wanted(), status()]).toEqual([
      [1, 2, 3, 4],
      [4, 2, 2, 'Replenished'],
    ]);
    await bind('dns', 2);
    expect([wanted(), status()]).toEqual([
      [1, 2, 3, 4],
      [4, 3, 1, 'Exhausted'],
    ]);
  });

  it('gives back what has been free for more than twice the minimum, but nothing that is bound', async () => {
    unwrap(await apply('workloads', { minimumFree: 1, maximum: 8 }));
    await quiet();
    for (const number of [1, 2, 3, 4]) {
      await makes();
      await bind(`port-${number}`, number);
    }
    await makes();
    for (const number of [1, 2, 3]) await release(`port-${number}`);
    expect(wanted()).toEqual([1, 4]);
    await makes();
    expect([laboratory.functionNames().filter((name) => name.includes('sf')), status()]).toEqual([
      ['dpu-7-pf0sf1', 'dpu-7-pf0sf4'],
      [2, 1, 1, 'Replenished'],
    ]);
  });

  it('remembers what it has asked for across a restart, and pools do not share numbers', async () => {
    unwrap(await apply('workloads', { minimumFree: 2 }));
    unwrap(await apply('others', { minimumFree: 1, dpu: 'dpu-7' }));
    await quiet();
    expect([wanted('others'), wanted()]).toEqual([[1], [2, 3]]);
    await makes();
    await bind('fw', 2);
    await worker.stop();
    await laboratory.restart();
    worker = await laboratory.follow('dpu-7');
    await quiet();
    expect([wanted('others'), wanted()]).toEqual([[1], [2, 3, 4]]);
  });

  it('makes nothing new on a DPU that takes no new ports', async () => {
    unwrap(await apply('workloads', { minimumFree: 1 }));
    await quiet();
    await makes();
    await bind('fw', 1);
    await makes();
    await laboratory.apply('Dpu', 'dpu-7', { lifecycle: { desired: 'MAINTENANCE' } });
    await bind('nat', 2);
    expect(wanted()).toEqual([1, 2]);
    await laboratory.apply('Dpu', 'dpu-7', {});
    await quiet();
    expect(wanted()).toEqual([1, 2, 3]);
  });

  it('cannot be deleted while a port has a function of it, and then its functions go', async () => {
    unwrap(await apply('workloads', {}));
    await quiet();
    await makes();
    await bind('fw', 1);
    expect(await laboratory.remove(KIND, 'workloads')).toMatchObject({
      error: { reason: 'IN_USE', metadata: { users: 'port acme/fw' } },
    });
    await release('fw');
    unwrap(await laboratory.remove(KIND, 'workloads'));
    await quiet();
    expect(wanted()).toEqual([]);
    await makes();
    expect(laboratory.functionNames().filter((name) => name.includes('sf'))).toEqual([]);
  });

  it('makes functions of the PF that it names, with numbers that no other pool has, once its DPU shows that PF', async () => {
    const pf1 = functionOf(undefined, { pfNumber: 1, netdev: 'pf1hpf', pfMacAddress: '08:c0:eb:00:00:02' });
    unwrap(await apply('others', { minimumFree: 1 }));
    unwrap(await apply('workloads', { minimumFree: 2, pfNumber: 1 }));
    await quiet();
    expect([wanted('others'), wanted(), status()]).toEqual([[1], [], [0, 0, 0, 'PhysicalFunctionMissing']]);
    const seen = [functionOf(), functionOf(0), made(1)];
    unwrap(await laboratory.report('dpu-7', reportOf(SN, { functions: [...seen, pf1] })));
    await quiet();
    expect([wanted(), madeOf()]).toEqual([[2, 3], 1]);
    const own = [2, 3].map((number) => ({
      ...made(number),
      pfNumber: 1,
      pfMacAddress: pf1.pfMacAddress,
      netdev: `pf1sf${number}`,
    }));
    unwrap(
      await laboratory.report('dpu-7', reportOf(SN, { functions: [...seen, pf1, ...own] } as ReportInit)),
    );
    await quiet();
    expect([status(), laboratory.function('dpu-7-pf1sf2')?.spec.pool]).toEqual([
      [2, 0, 2, 'Replenished'],
      'workloads',
    ]);
    // A PF that is away for a while takes nothing along.
    unwrap(await laboratory.report('dpu-7', reportOf(SN, { functions: [...seen, ...own] } as ReportInit)));
    await quiet();
    expect(wanted()).toEqual([2, 3]);
    expect(await apply('workloads', { minimumFree: 2, pfNumber: 2 })).toMatchObject({
      error: { reason: 'IMMUTABLE_FIELD', violations: [{ field: 'spec.pfNumber' }] },
    });
    expect(await apply('pods', { attachment: 'HOST', pfNumber: 1 })).toMatchObject({
      error: { violations: [{ field: 'spec.pfNumber', description: 'must be absent with attachment HOST' }] },
    });
  });

  it('is of the DPUs with its labels, and leaves those that lose them', async () => {
    const labelled = (labels: object) =>
      laboratory.request('apply', 'dpu', {
        apiVersion: 'admin.outboard.dev/v1alpha1',
        kind: 'Dpu',
        metadata: { name: 'dpu-7', labels },
        spec: {},
      });
    unwrap(await apply('workloads', { dpuSelector: { matchLabels: { rack: 'r1' } } }));
    await quiet();
    expect([wanted(), status()]).toEqual([[], [0, 0, 0, 'NoDpu']]);
    unwrap(await labelled({ rack: 'r1' }));
    await quiet();
    expect(wanted()).toEqual([1]);
    unwrap(await labelled({ rack: 'r2' }));
    await quiet();
    expect([wanted(), status()]).toEqual([[], [0, 0, 0, 'NoDpu']]);
  });

  it('of functions of hosts is only counted', async () => {
    unwrap(await apply('pods', { attachment: 'HOST', minimumFree: 1 }));
    await laboratory.apply('Function', 'dpu-7-pf0vf0', { pool: 'pods' });
    await settled();
    expect(status('pods')).toEqual([1, 0, 1, 'Replenished']);
    await laboratory.publishPort('web', portOf('web', { serialNumber: SN, vfNumber: 0 }));
    expect(status('pods')).toEqual([1, 1, 0, 'HostFunctionsMissing']);
  });

  it('of functions of hosts counts those of its flavour alone, where it names one', async () => {
    const sf = functionOf(undefined, { flavour: 'PCI_SF', sfNumber: 8, netdev: 'pf0sf8' });
    unwrap(await laboratory.report('dpu-7', reportOf(SN, { functions: [functionOf(), functionOf(0), sf] })));
    for (const name of ['dpu-7-pf0vf0', 'dpu-7-pf0sf8'])
      unwrap(await laboratory.apply('Function', name, { pool: 'pods' }));
    const free = async (more: object) => {
      unwrap(await apply('pods', { attachment: 'HOST', ...more }));
      return status('pods');
    };
    expect(await free({})).toEqual([2, 0, 2, 'Replenished']);
    expect(await free({ flavour: 'PCI_VF' })).toEqual([1, 0, 1, 'Replenished']);
    expect(await free({ flavour: 'PCI_SF', minimumFree: 2 })).toEqual([1, 0, 1, 'HostFunctionsMissing']);
    const { conditions = [] } = laboratory.pool('pods')?.status ?? {};
    expect(conditions.find(({ type }) => type === 'Healthy')?.message).toBe('PCI_SF of dpu-7');
  });

  it('of functions that are made has the flavour that workers make, and is refused any other', async () => {
    unwrap(await apply('workloads', {}));
    expect(laboratory.pool('workloads')?.spec.flavour).toBe('VIRTUAL');
    for (const [attachment, flavour, rule] of [
      ['DPU', 'PCI_SF', 'must be VIRTUAL'],
      ['HOST', 'VIRTUAL', 'must be one of PCI_VF, PCI_SF'],
    ])
      expect(await apply('others', { attachment, flavour })).toMatchObject({
        error: { violations: [{ field: 'spec.flavour', description: rule }] },
      });
  });

  it('can be planned, which changes nothing', async () => {
    const manifest = { apiVersion: 'admin.outboard.dev/v1alpha1', kind: 'FunctionPool' };
    const metadata = { name: 'workloads' };
    const plan = unwrap(await laboratory.request('plan', KIND, { ...manifest, metadata, spec: {} }));
    expect(plan).toMatchObject({ documents: [{ dpu: 'dpu-7', upserts: ['virtualfunctions/workloads'] }] });
    await quiet();
    expect([wanted(), laboratory.pool('workloads')]).toEqual([[], undefined]);
  });

  it('is refused what breaks its rules, and stays of the sort that it is', async () => {
    unwrap(await apply('workloads', {}));
    expect(await apply('workloads', { attachment: 'HOST' })).toMatchObject({
      error: { reason: 'IMMUTABLE_FIELD', violations: [{ field: 'spec.attachment' }] },
    });
    expect(await apply('workloads', { minimumFree: 300, maximum: 10 })).toMatchObject({
      error: { violations: [{ field: 'spec.minimumFree' }, { field: 'spec.maximum' }] },
    });
  });
});
