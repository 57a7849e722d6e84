import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RefusingStore, settled, until } from '@outboard/resource-service/testing';
import { openMemoryStore } from '@outboard/store';
import { AdminLaboratory, functionOf, LEASE_MILLISECONDS, reportOf } from './admin-laboratory.js';

const SN = 'MT2113X00042';
const REPORT = reportOf(SN);

describe('the lease of a DPU', () => {
  let laboratory: AdminLaboratory;
  let store: RefusingStore;
  beforeEach(async () => {
    store = new RefusingStore(openMemoryStore());
    laboratory = await AdminLaboratory.open(store);
    await laboratory.report('dpu-7', REPORT);
  });
  afterEach(() => laboratory.close());
  const pass = async (milliseconds: number): Promise<void> => {
    await laboratory.clock.advance(milliseconds);
    await settled();
  };
  const health = (): string | undefined => laboratory.health('Dpu', 'dpu-7');

  it('lasts as long as heartbeats renew it, and nothing is written for them', async () => {
    await laboratory.heartbeat('dpu-7', REPORT);
    await settled();
    const revision = store.read((snapshot) => snapshot.revision);
    for (let beat = 0; beat < 100; beat++) {
      await pass(LEASE_MILLISECONDS / 3);
      expect(await laboratory.heartbeat('dpu-7', REPORT)).toBe(false);
    }
    expect(health()).toBe('LeaseRenewed');
    expect(store.read((snapshot) => snapshot.revision)).toBe(revision);
  });

  it('ends without them: the DPU is not healthy, with an event, and the next heartbeat makes it so again', async () => {
    await pass(LEASE_MILLISECONDS - 1);
    expect(health()).toBe('LeaseRenewed');
    await pass(1);
    expect(health()).toBe('LeaseExpired');
    expect(laboratory.dpu('dpu-7')?.status.conditions).toMatchObject([
      { type: 'Accepted', status: 'True' },
      { type: 'Healthy', status: 'False' },
      { type: 'Ready', status: 'False', reason: 'LeaseExpired' },
    ]);
    expect(laboratory.events.at(-1)).toBe('dpu-7 notready');
    expect(laboratory.actors.at(-1)).toBe('system');
    expect(await laboratory.heartbeat('dpu-7', REPORT)).toBe(false);
    await settled();
    expect(health()).toBe('LeaseRenewed');
    expect(laboratory.events.at(-1)).toBe('dpu-7 ready');
    expect(laboratory.actors.at(-1)).toBe('dpu/dpu-7');
    await pass(LEASE_MILLISECONDS);
    expect(health()).toBe('LeaseExpired');
  });

  it('of each DPU is its own', async () => {
    await laboratory.report('dpu-8', reportOf('MT-8'));
    for (let beat = 0; beat < 4; beat++) {
      await pass(LEASE_MILLISECONDS / 3);
      await laboratory.heartbeat('dpu-8', reportOf('MT-8'));
    }
    expect(health()).toBe('LeaseExpired');
    expect(laboratory.health('Dpu', 'dpu-8')).toBe('LeaseRenewed');
  });

  it('is not renewed by another boot than the one that registered: that one has to register', async () => {
    const rebooted = { ...REPORT, incarnation: 'second-boot' };
    for (let beat = 0; beat < 4; beat++) {
      await pass(LEASE_MILLISECONDS / 3);
      expect(await laboratory.heartbeat('dpu-7', rebooted)).toBe(true);
    }
    expect(health()).toBe('LeaseExpired');
    await laboratory.report('dpu-7', rebooted);
    expect(health()).toBe('LeaseRenewed');
    expect(await laboratory.heartbeat('dpu-7', rebooted)).toBe(false);
    expect(await laboratory.heartbeat('dpu-7', REPORT)).toBe(true);
  });

  it('is renewed though the inventory is another by now, which is asked for', async () => {
    const changed = reportOf(SN, { functions: [functionOf()] });
    for (let beat = 0; beat < 6; beat++) {
      await pass(LEASE_MILLISECONDS / 3);
      expect(await laboratory.heartbeat('dpu-7', changed)).toBe(true);
    }
    expect(health()).toBe('LeaseRenewed');
    await laboratory.report('dpu-7', changed);
    expect(await laboratory.heartbeat('dpu-7', changed)).toBe(false);
  });

  it('begins anew when the service starts: whoever was connected has all of it to show itself', async () => {
    await pass(LEASE_MILLISECONDS - 1);
    await laboratory.stop();
    await pass(10 * LEASE_MILLISECONDS);
    await laboratory.start();
    await pass(LEASE_MILLISECONDS - 1);
    expect(health()).toBe('LeaseRenewed');
    expect(await laboratory.heartbeat('dpu-7', REPORT)).toBe(true);
    await pass(LEASE_MILLISECONDS - 1);
    expect(health()).toBe('LeaseRenewed');
    await pass(1);
    expect(health()).toBe('LeaseExpired');
    await laboratory.restart();
    await pass(LEASE_MILLISECONDS);
    expect(laboratory.events.filter((event) => event === 'dpu-7 notready')).toHaveLength(1);
  });

  it('whose end could not be written ends again', async () => {
    store.isDiskFull = true;
    await pass(LEASE_MILLISECONDS);
    store.isDiskFull = false;
    expect(health()).toBe('LeaseRenewed');
    await pass(LEASE_MILLISECONDS);
    expect(health()).toBe('LeaseExpired');
  });

  it('whose renewal could not be written is written with the next heartbeat', async () => {
    await pass(LEASE_MILLISECONDS);
    store.isDiskFull = true;
    await expect(laboratory.heartbeat('dpu-7', REPORT)).rejects.toThrow('disk is full');
    store.isDiskFull = false;
    await laboratory.heartbeat('dpu-7', REPORT);
    expect(health()).toBe('LeaseRenewed');
  });

  it('that is renewed while its end waits for another commit does not end', async () => {
    await pass(LEASE_MILLISECONDS - 1);
    let flush = (): void => {};
    store.flushed = new Promise((resolve) => {
      flush = resolve;
    });
    const { attempts } = store;
    const applied = laboratory.apply('Function', 'dpu-7-pf0vf0', { pool: 'pods' });
    await until(() => store.attempts > attempts);
    await pass(1);
    await laboratory.heartbeat('dpu-7', REPORT);
    flush();
    await applied;
    await settled();
    expect(health()).toBe('LeaseRenewed');
    expect(laboratory.events).not.toContain('dpu-7 notready');
  });

  it('of a DPU that is unknown is not held: its inventory is wanted', async () => {
    expect(await laboratory.heartbeat('dpu-9', reportOf('MT-9'))).toBe(true);
    expect(laboratory.dpu('dpu-9')).toBeUndefined();
    await pass(LEASE_MILLISECONDS);
  });
});
