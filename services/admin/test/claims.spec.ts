import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '@outboard/core';
import { RefusingStore, settled } from '@outboard/resource-service/testing';
import { openMemoryStore } from '@outboard/store';
import { AdminLaboratory, functionOf, portOf, reportOf } from './admin-laboratory.js';

const SN = 'MT2113X00042';
const bound = (vfNumber: number) => ({ serialNumber: SN, vfNumber });

describe('claims of ports on functions', () => {
  let laboratory: AdminLaboratory;
  let store: RefusingStore;
  beforeEach(async () => {
    store = new RefusingStore(openMemoryStore());
    laboratory = await AdminLaboratory.open(store);
    await laboratory.report('dpu-7', reportOf(SN));
  });
  afterEach(() => laboratory.close());
  const claims = (): unknown[] => [laboratory.claim('dpu-7-pf0vf0'), laboratory.claim('dpu-7-pf0vf1')];

  it('follow the ports: bound, bound to another, released, gone', async () => {
    await laboratory.publishPort('web-0', portOf('web-0', bound(0)));
    expect(claims()).toEqual(['web-0', undefined]);
    await laboratory.publishPort('web-0', portOf('web-0', bound(1)));
    expect(claims()).toEqual([undefined, 'web-0']);
    await laboratory.publishPort('web-0', portOf('web-0'));
    expect(claims()).toEqual([undefined, undefined]);
    await laboratory.publishPort('web-0', portOf('web-0', bound(0)));
    await laboratory.publishPort('web-0', undefined);
    expect(claims()).toEqual([undefined, undefined]);
  });

  it('pass from port to port in any order of their messages', async () => {
    await laboratory.publishPort('web-0', portOf('web-0', bound(0)));
    await laboratory.publishPort('web-1', portOf('web-1', bound(0)));
    await laboratory.publishPort('web-0', undefined);
    expect(claims()).toEqual(['web-1', undefined]);
  });

  it('are on the functions that are discovered later', async () => {
    await laboratory.publishPort('web-2', portOf('web-2', bound(2)));
    await laboratory.report('dpu-7', reportOf(SN, { functions: [functionOf(2)] }));
    expect(laboratory.claim('dpu-7-pf0vf2')).toBe('web-2');
  });

  it('are known after a restart before any port was heard of, and kept by a registration', async () => {
    await laboratory.publishPort('web-0', portOf('web-0', bound(0)));
    laboratory.ports = new AppError('UNAVAILABLE', 'network-intent is away');
    await laboratory.restart();
    await laboratory.report('dpu-7', reportOf(SN, { incarnation: 'second-boot' }));
    expect(claims()).toEqual(['web-0', undefined]);
    await laboratory.report('dpu-7', reportOf(SN, { incarnation: 'third-boot', functions: [] }));
    expect(laboratory.health('Function', 'dpu-7-pf0vf0')).toBe('FunctionVanished');
  });

  it('that were released while the service was away are found released by the list', async () => {
    await laboratory.publishPort('web-0', portOf('web-0', bound(0)));
    await laboratory.stop();
    laboratory.broker.stream('OUTBOARD_STATE').remove(1);
    laboratory.ports = new Map([['web-1', portOf('web-1', bound(1))]]);
    for (let sequence = 1; sequence < 100; sequence++)
      await laboratory.broker.remove('OUTBOARD_STATE', sequence);
    await laboratory.start();
    await laboratory.clock.advance(0);
    await settled();
    expect(claims()).toEqual([undefined, 'web-1']);
  });

  it('that could not be stored are stored later', async () => {
    await laboratory.publishPort('web-1', portOf('web-1', bound(1)));
    store.isDiskFull = true;
    await laboratory.publishPort('web-0', portOf('web-0', bound(0)));
    await laboratory.publishPort('web-1', undefined);
    expect(claims()).toEqual([undefined, 'web-1']);
    store.isDiskFull = false;
    await laboratory.clock.advance(60_000);
    await settled();
    expect(claims()).toEqual(['web-0', undefined]);
  });
});
