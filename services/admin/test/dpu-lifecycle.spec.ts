import { afterEach, describe, expect, it } from '@jest/globals';
import { RefusingStore, settled } from '@outboard/resource-service/testing';
import { openMemoryStore, type Store } from '@outboard/store';
import { AdminLaboratory, LEASE_MILLISECONDS, portOf, reportOf } from './admin-laboratory.js';

const SN = 'MT2113X00042';
const REPORT = reportOf(SN);
const NEXT_BOOT = { ...REPORT, incarnation: 'second-boot' };
const MINUTE = 60_000;

let laboratory: AdminLaboratory;
afterEach(() => laboratory.close());
const open = async (approval: 'FIRST_TOUCH' | 'MANUAL' = 'FIRST_TOUCH', store: Store = openMemoryStore()) => {
  laboratory = await AdminLaboratory.open(store, approval);
};
const pass = async (milliseconds: number): Promise<void> => {
  await laboratory.clock.advance(milliseconds);
  await settled();
};
const lifecycle = () => laboratory.dpu('dpu-7')?.status.lifecycle;
const state = () => `${lifecycle()?.state} ${lifecycle()?.reason}`;
const beat = async (told = {}, report = REPORT) =>
  laboratory.beat('dpu-7', report, { settled: true, ...told });
const want = (desired: string, more: object = {}) =>
  laboratory.apply('Dpu', 'dpu-7', { lifecycle: { desired, ...more } });
const bind = (name: string, vfNumber: number) =>
  laboratory.publishPort(name, portOf(name, { serialNumber: SN, vfNumber }));

describe('the life of a DPU, as admin keeps it', () => {
  it('begins by the first touch of its worker, and is READY when that says that everything is applied', async () => {
    await open();
    await laboratory.report('dpu-7', REPORT);
    expect(state()).toBe('PROVISIONING AwaitingDocuments');
    await beat({ settled: false });
    expect(state()).toBe('PROVISIONING AwaitingDocuments');
    await beat();
    expect(state()).toBe('READY Provisioned');
    expect(lifecycle()?.deadline).toBeUndefined();
  });

  it('waits for approval where that is given by hand, and survives a restart as it is', async () => {
    await open('MANUAL');
    await laboratory.report('dpu-7', REPORT);
    await beat();
    expect(state()).toBe('DISCOVERED AwaitingApproval');
    expect(laboratory.health('Dpu', 'dpu-7')).toBe('NotAdmitted');
    await laboratory.restart();
    expect(state()).toBe('DISCOVERED AwaitingApproval');
    await laboratory.apply('Dpu', 'dpu-7', { approved: true });
    expect(state()).toBe('PROVISIONING AwaitingDocuments');
    expect(laboratory.health('Dpu', 'dpu-7')).toBe('LeaseRenewed');
    await beat();
    // Who says nothing of it withdraws nothing.
    await laboratory.apply('Dpu', 'dpu-7', {});
    expect(state()).toBe('READY Provisioned');
    await bind('web-0', 0);
    const withdrawn = await laboratory.apply('Dpu', 'dpu-7', { approved: false });
    expect(withdrawn).toMatchObject({ error: { reason: 'IN_USE', metadata: { users: 'port acme/web-0' } } });
    await laboratory.publishPort('web-0', undefined);
    await laboratory.apply('Dpu', 'dpu-7', { approved: false });
    expect(state()).toBe('DISCOVERED AwaitingApproval');
  });

  it('is UNREACHABLE with the end of its lease, stuck after a while, and comes back by itself', async () => {
    await open();
    await laboratory.report('dpu-7', REPORT);
    await beat();
    await pass(LEASE_MILLISECONDS);
    expect(state()).toBe('UNREACHABLE LeaseExpired');
    await pass(6 * MINUTE);
    expect(lifecycle()).toMatchObject({ state: 'UNREACHABLE', stuck: true });
    const stuck = await laboratory.request('list', 'dpu', { fieldSelector: 'status.lifecycle.stuck=true' });
    expect(stuck).toMatchObject({ value: { items: [{ metadata: { name: 'dpu-7' } }] } });
    await beat({ settled: false });
    expect(state()).toBe('PROVISIONING AwaitingDocuments');
    await beat();
    expect(state()).toBe('READY Provisioned');
  });

  it('drains: it counts and names the ports that remain, and rests when there is none', async () => {
    await open();
    await laboratory.report('dpu-7', REPORT);
    await beat();
    await bind('web-0', 0);
    await bind('web-1', 1);
    await want('MAINTENANCE');
    expect(lifecycle()).toMatchObject({ state: 'DRAINING', remaining: 2 });
    await laboratory.publishPort('web-0', undefined);
    expect(lifecycle()).toMatchObject({ remaining: 1, remainingNames: ['port acme/web-1'] });
    await laboratory.restart();
    await laboratory.publishPort('web-1', undefined);
    expect(state()).toBe('MAINTENANCE NothingRemains');
    await pass(LEASE_MILLISECONDS);
    expect(state()).toBe('MAINTENANCE NothingRemains');
    await beat();
    await want('READY');
    await beat();
    expect(state()).toBe('READY Provisioned');
  });

  it('reboots when that is asked for: the boot that has to end is told so, and the next one is not', async () => {
    await open();
    await laboratory.report('dpu-7', REPORT);
    await beat();
    await want('READY', { rebootRequest: 'firmware-24' });
    expect(state()).toBe('REBOOTING AwaitingBoot');
    expect(await beat()).toMatchObject({ value: { rebootRequest: 'firmware-24' } });
    await beat({ rebootProblem: 'no program for that' });
    expect(state()).toBe('REBOOTING RebootByHand');
    // Until its worker says something else, whatever else there is to say of the DPU.
    await bind('web-0', 0);
    await laboratory.restart();
    expect(lifecycle()?.message).toBe('its worker cannot reboot it: no program for that');
    await beat();
    expect(state()).toBe('REBOOTING AwaitingBoot');
    await pass(LEASE_MILLISECONDS);
    expect(state()).toBe('REBOOTING AwaitingBoot');
    expect(await beat({}, NEXT_BOOT)).toMatchObject({ value: { rebootRequest: '', inventoryWanted: true } });
    await laboratory.report('dpu-7', NEXT_BOOT);
    expect(state()).toBe('PROVISIONING AwaitingDocuments');
    expect(await beat({}, NEXT_BOOT)).toMatchObject({ value: { rebootRequest: '' } });
    expect(state()).toBe('READY Provisioned');
  });

  it('asks for a reboot anew with every attempt, and for none between two of them', async () => {
    await open();
    await laboratory.report('dpu-7', REPORT);
    await beat();
    await want('READY', { rebootRequest: 'a' });
    expect(await beat()).toMatchObject({ value: { rebootRequest: 'a' } });
    await want('READY', { rebootRequest: 'a', retryRequest: 'now' });
    expect(await beat()).toMatchObject({ value: { rebootRequest: 'a, now' } });
    await pass(15 * MINUTE);
    expect(state()).toBe('FAILED RebootTimedOut');
    expect(await beat()).toMatchObject({ value: { rebootRequest: '' } });
    await pass(MINUTE);
    expect(state()).toBe('REBOOTING AwaitingBoot');
    expect(await beat()).toMatchObject({ value: { rebootRequest: 'a, now, attempt 2' } });
  });

  it('ends in retirement: its worker is refused, and what is kept of it goes after thirty days', async () => {
    await open();
    await laboratory.report('dpu-7', REPORT);
    await beat();
    await want('RETIRED');
    expect(state()).toBe('RETIRED Retired');
    expect(await beat()).toMatchObject({ error: { reason: 'DPU_RETIRED' } });
    expect(await laboratory.report('dpu-7', REPORT)).toMatchObject({ error: { reason: 'DPU_RETIRED' } });
    await pass(30 * 24 * 60 * MINUTE + MINUTE);
    expect(laboratory.dpu('dpu-7')).toBeUndefined();
    expect(laboratory.functionNames()).toEqual([]);
  });

  it('goes on when what could not be written can be', async () => {
    const store = new RefusingStore(openMemoryStore());
    await open('FIRST_TOUCH', store);
    await laboratory.report('dpu-7', REPORT);
    store.isDiskFull = true;
    await beat();
    expect(state()).toBe('PROVISIONING AwaitingDocuments');
    await pass(11 * MINUTE);
    store.isDiskFull = false;
    await pass(MINUTE);
    expect(state()).toBe('UNREACHABLE LeaseExpired');
    await beat();
    await beat();
    expect(state()).toBe('READY Provisioned');
  });

  it('is told wrong wishes with every problem at once', async () => {
    await open();
    const lifecycleSpec = { desired: 'GONE', rebootRequest: 'two words', drainSeconds: 700_000 };
    const refused = await laboratory.apply('Dpu', 'dpu-7', { lifecycle: lifecycleSpec });
    expect(refused).toMatchObject({
      error: {
        violations: [
          { field: 'spec.lifecycle.desired', description: 'must be one of READY, MAINTENANCE, RETIRED' },
          { field: 'spec.lifecycle.rebootRequest' },
          { field: 'spec.lifecycle.drainSeconds', description: 'must be 1-604800' },
        ],
      },
    });
  });
});
