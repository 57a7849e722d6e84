import { beforeEach, describe, expect, it } from '@jest/globals';
import { ok } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import type { ControlPlane } from './control-plane.js';
import { Functions } from './functions.js';
import type { HostNetwork } from './host-network.js';

const condition = (status: string, reason = 'x') => [{ type: 'Healthy', status, reason, message: '' }];

interface Told {
  readonly vfNumber?: number | undefined;
  readonly claim?: { tenant: string; kind: string; name: string };
  readonly pool?: string;
  readonly attachment?: string;
  readonly reason?: string;
}

/** What admin tells: DPUs with whether they report, and their functions. */
class Admin {
  readonly dpus = new Map<
    string,
    { readonly status: string; readonly desired?: string; readonly functions: Told[] }
  >();
  listings = 0;

  async list(kind: string, _tenant: string, { fieldSelector = '' }): Promise<unknown> {
    if (kind === 'Dpu') {
      this.listings++;
      return ok(
        [...this.dpus].map(([name, { status, desired = 'READY' }]) => ({
          metadata: { name },
          spec: { lifecycle: { desired } },
          status: { conditions: condition(status) },
        })),
      );
    }
    const dpu = fieldSelector.replace('status.dpu=', '');
    const functions = this.dpus.get(dpu)?.functions ?? [];
    return ok(
      functions.map(({ vfNumber, claim, pool = 'default', attachment = 'HOST', reason }) => ({
        metadata: { name: `${dpu}-vf${vfNumber ?? ''}` },
        spec: { pool },
        status: {
          dpu,
          serialNumber: dpu,
          pfMacAddress: '02:00:00:00:00:01',
          vfNumber,
          attachment,
          claim,
          conditions: condition('True', reason),
        },
      })),
    );
  }
}

describe('the functions of a host', () => {
  let clock: ManualClock;
  let admin: Admin;
  let functions: Functions;

  beforeEach(async () => {
    clock = new ManualClock();
    admin = new Admin();
    const network = {
      refresh: async () => {},
      identify: (device: string) =>
        device.startsWith('enp')
          ? { pfMacAddress: '02:00:00:00:00:01', vfNumber: Number(device.slice(-1)) }
          : undefined,
    };
    functions = new Functions(
      admin as unknown as ControlPlane,
      'host-1',
      network as unknown as HostNetwork,
      clock,
    );
    admin.dpus.set('dpu-1', {
      status: 'True',
      functions: [{ vfNumber: undefined }, { vfNumber: 1 }, { vfNumber: 0 }],
    });
    await functions.refresh();
  });

  const lease = (holder = 'c/eth0'): string | undefined => functions.lease('default', holder)?.name;

  it('are leased once, the lowest numbers first, and physical ones not at all', () => {
    expect([lease('a'), lease('b'), lease('c')]).toEqual(['dpu-1-vf0', 'dpu-1-vf1', undefined]);
  });

  it('are leased from the DPU that has most left', async () => {
    admin.dpus.set('dpu-2', { status: 'True', functions: [5, 6, 7].map((vfNumber) => ({ vfNumber })) });
    await functions.refresh();
    expect([lease('a'), lease('b'), lease('c')]).toEqual(['dpu-2-vf5', 'dpu-1-vf0', 'dpu-2-vf6']);
  });

  it('are not leased where they are of another pool, on the DPU itself, gone, bound, or where the DPU is away', async () => {
    admin.dpus.set('dpu-1', {
      status: 'True',
      functions: [
        { vfNumber: 0, pool: 'fast' },
        { vfNumber: 1, attachment: 'DPU' },
        { vfNumber: 2, reason: 'FunctionVanished' },
        { vfNumber: 3, claim: { tenant: 'acme', kind: 'Port', name: 'web' } },
      ],
    });
    admin.dpus.set('dpu-2', { status: 'Unknown', functions: [{ vfNumber: 0 }] });
    admin.dpus.set('dpu-3', { status: 'True', desired: 'MAINTENANCE', functions: [{ vfNumber: 0 }] });
    await functions.refresh();
    expect(lease()).toBeUndefined();
    expect(functions.noneFree('default')).toContain('dpu-1, dpu-2 does not report, dpu-3 takes no new ports');
    expect(functions.free('fast')).toBe(1);
    expect(['dpu-1', 'dpu-2', 'dpu-3'].filter((dpu) => functions.isSilent(dpu))).toEqual(['dpu-2']);
  });

  it('are free at once when their port is gone here, whatever claim is still shown', async () => {
    const leased = functions.lease('default', 'a');
    if (leased === undefined) throw new Error('nothing was leased');
    admin.dpus.set('dpu-1', {
      status: 'True',
      functions: [{ vfNumber: 0, claim: { tenant: 'acme', kind: 'Port', name: 'web' } }],
    });
    await functions.refresh();
    functions.release(leased, 'somebody else', 'acme/web');
    expect(functions.free('default')).toBe(0);
    functions.release(leased, 'a', 'acme/web');
    expect(lease()).toBe('dpu-1-vf0');
  });

  it('are not tried again before the next listing once they could not be had', async () => {
    const leased = functions.lease('default', 'a');
    if (leased === undefined) throw new Error('nothing was leased');
    functions.reject(leased, 'a');
    expect([lease('b'), lease('c')]).toEqual(['dpu-1-vf1', undefined]);
    await functions.refresh();
    expect(lease('c')).toBe('dpu-1-vf0');
  });

  it('can be asked for by their device or name, unless somebody else has them', () => {
    expect(functions.leaseDevice('enp1s0f0v1', 'a')).toMatchObject({
      ok: true,
      value: { name: 'dpu-1-vf1' },
    });
    expect(functions.leaseDevice('dpu-1-vf1', 'a')).toMatchObject({ ok: true });
    expect(functions.leaseDevice('dpu-1-vf1', 'b')).toMatchObject({
      ok: false,
      error: { reason: 'FUNCTION_IN_USE' },
    });
    expect(functions.leaseDevice('enp1s0f0v9', 'b')).toMatchObject({
      ok: false,
      error: { code: 'NOT_FOUND' },
    });
  });

  it('are listed again at most once a second, by all who find none together', async () => {
    const waiting = Promise.all([functions.refreshSoon(), functions.refreshSoon()]);
    expect(admin.listings).toBe(1);
    await clock.advance(1_000);
    await waiting;
    expect(admin.listings).toBe(2);
  });
});
