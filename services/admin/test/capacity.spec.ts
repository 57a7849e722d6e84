import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { subjects } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { RefusingStore, settled } from '@outboard/resource-service/testing';
import { openMemoryStore } from '@outboard/store';
import { COUNT_MILLISECONDS } from '../src/app/count-timer.js';
import { AdminLaboratory, functionOf, portOf, type ReportInit, reportOf } from './admin-laboratory.js';

const SN = 'MT2113X00042';
const FACTS = {
  cpuMillicores: 4_000,
  memoryMebibytes: 8_192,
  uplinks: [
    {
      device: 'p0',
      macAddress: '08:c0:eb:00:00:01',
      mtu: 9000,
      up: true,
      carrier: true,
      speedMbps: 100_000,
      driver: 'mlx5_core',
      firmwareVersion: '24.35.1012',
    },
  ],
};
const reportWith = (more: ReportInit = {}) => reportOf(SN, { ...FACTS, ...(more as object) });

describe('what a DPU has', () => {
  let laboratory: AdminLaboratory;
  let store: RefusingStore;
  beforeEach(async () => {
    store = new RefusingStore(openMemoryStore());
    laboratory = await AdminLaboratory.open(store);
    unwrap(await laboratory.report('dpu-7', reportWith()));
  });
  afterEach(() => laboratory.close());
  const status = () => {
    const found = laboratory.dpu('dpu-7');
    if (!found) throw new Error('there is no dpu-7');
    return found.status;
  };
  const counted = async (): Promise<void> => {
    await laboratory.clock.advance(COUNT_MILLISECONDS);
    await settled();
  };
  const apply = async (name: string, cpuMillicores: number, memoryMebibytes: number) => {
    const manifest = {
      apiVersion: 'admin.outboard.dev/v1alpha1',
      kind: 'Workload',
      metadata: { name },
      spec: { command: ['/bin/true'], resources: { cpuMillicores, memoryMebibytes } },
    };
    unwrap(await laboratory.request('apply', 'workload', manifest, 'acme'));
  };

  it('is told of its uplinks as its worker finds them', () => {
    expect(status().uplinks).toEqual([
      {
        device: 'p0',
        macAddress: '08:c0:eb:00:00:01',
        mtu: 9000,
        adminState: 'UP',
        carrier: true,
        speedMbps: 100_000,
        driver: 'mlx5_core',
        firmwareVersion: '24.35.1012',
      },
    ]);
  });

  it('of functions is used by ports', async () => {
    expect(status()).toMatchObject({ functions: 3, usedFunctions: 0, freeFunctions: 3 });
    await laboratory.publishPort('web', portOf('web', { serialNumber: SN, vfNumber: 0 }));
    await counted();
    expect(status()).toMatchObject({ functions: 3, usedFunctions: 1, freeFunctions: 2 });
    // What a port has bound and is not there any more is no function that could be used.
    unwrap(await laboratory.report('dpu-7', reportWith({ functions: [functionOf()] })));
    expect(status()).toMatchObject({ functions: 1, usedFunctions: 0, freeFunctions: 1 });
  });

  it('of functions is told of all ports of a second together, and to whoever asks at once', async () => {
    const states: string[] = [];
    const subject = subjects.state({ tenant: '_', api: 'admin', kind: 'dpu', name: 'dpu-7' });
    await laboratory.bus.subscribe(subject, (told) => states.push(told.subject));
    for (const vfNumber of [0, 1]) {
      const name = `web-${vfNumber}`;
      await laboratory.publishPort(name, portOf(name, { serialNumber: SN, vfNumber }));
    }
    const asked = unwrap(await laboratory.request('get', 'dpu', { name: 'dpu-7' }));
    expect(asked.status).toMatchObject({ usedFunctions: 2, freeFunctions: 1 });
    expect(status()).toMatchObject({ usedFunctions: 0, freeFunctions: 3 });
    await counted();
    expect(status()).toMatchObject({ usedFunctions: 2, freeFunctions: 1 });
    expect(states).toHaveLength(1);
    await counted();
    expect(states).toHaveLength(1);
  });

  it('of functions is counted again where that could not be written, and after a restart', async () => {
    await laboratory.publishPort('web-0', portOf('web-0', { serialNumber: SN, vfNumber: 0 }));
    store.isDiskFull = true;
    await counted();
    expect(status().usedFunctions).toBe(0);
    store.isDiskFull = false;
    await counted();
    expect(status().usedFunctions).toBe(1);
    await laboratory.publishPort('web-0', undefined);
    await laboratory.restart();
    expect(status().usedFunctions).toBe(1);
    await counted();
    expect(status().usedFunctions).toBe(0);
  });

  it('of processors and memory is promised to workloads, until they go, across a restart', async () => {
    const whole = { cpuMillicores: 4_000, memoryMebibytes: 8_192 };
    expect(status().freeCapacity).toEqual(whole);
    await apply('firewall', 500, 1_024);
    await apply('gateway', 1_500, 512);
    await laboratory.restart();
    expect(status()).toMatchObject({
      capacity: whole,
      workloads: 2,
      usedCapacity: { cpuMillicores: 2_000, memoryMebibytes: 1_536 },
      freeCapacity: { cpuMillicores: 2_000, memoryMebibytes: 6_656 },
    });
    unwrap(await laboratory.request('delete', 'workload', { name: 'firewall' }, 'acme'));
    unwrap(await laboratory.request('delete', 'workload', { name: 'gateway' }, 'acme'));
    expect(status()).toMatchObject({ freeCapacity: whole, workloads: 0 });
    expect(status().usedCapacity).toBeUndefined();
  });

  it('may become less or more while it runs: what waited for room is placed', async () => {
    await apply('large', 8_000, 1_024);
    expect(status().usedCapacity).toBeUndefined();
    unwrap(await laboratory.report('dpu-7', reportWith({ cpuMillicores: 16_000 })));
    expect(status()).toMatchObject({
      usedCapacity: { cpuMillicores: 8_000 },
      freeCapacity: { cpuMillicores: 8_000 },
    });
    unwrap(await laboratory.report('dpu-7', reportWith()));
    expect(status()).toMatchObject({ freeCapacity: { cpuMillicores: 0 } });
  });

  it('is nothing for workloads once it is retired', async () => {
    await apply('firewall', 500, 1_024);
    unwrap(await laboratory.apply('Dpu', 'dpu-7', { lifecycle: { desired: 'RETIRED', forceDrain: true } }));
    // What it was promised is free; that it has ended, its worker has to say.
    expect(status()).toMatchObject({
      lifecycle: { state: 'DRAINING', remainingNames: ['workload acme/firewall (ending)'] },
      freeCapacity: { cpuMillicores: 4_000 },
    });
    const worker = await laboratory.follow('dpu-7');
    await settled();
    await worker.stop();
    expect(status()).toMatchObject({
      lifecycle: { state: 'RETIRED' },
      freeCapacity: { cpuMillicores: 4_000 },
    });
  });
});
