import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeBinary, InventoryReportSchema, MAX_BODY_BYTES } from '@outboard/contracts';
import { settled } from '@outboard/resource-service/testing';
import fc from 'fast-check';
import { AdminLaboratory, functionOf, type ReportInit, reportOf } from './admin-laboratory.js';

const SN = 'MT2113X00042';

describe('an inventory', () => {
  let laboratory: AdminLaboratory;
  beforeEach(async () => {
    laboratory = await AdminLaboratory.open();
  });
  afterEach(() => laboratory.close());
  const revision = (): number => laboratory.store.read((snapshot) => snapshot.revision);

  it.each<[string, ReportInit, string]>([
    ['no serial number', { serialNumber: '' }, 'serialNumber'],
    ['a serial number with a slash', { serialNumber: 'a/b' }, 'serialNumber'],
    ['no incarnation', { incarnation: '' }, 'incarnation'],
    ['a host that is no name', { host: 'a b' }, 'host'],
    ['too long a text', { driver: 'x'.repeat(257) }, 'driver'],
    [
      'a tunnel endpoint that is no address',
      { underlay: { device: 'up0', address: '10.0.0' } },
      'underlay.address',
    ],
    ['too long a capability', { capabilities: [{ name: 'x'.repeat(65) }] }, 'capabilities[0].name'],
    ['a capability without name', { capabilities: [{ available: true }] }, 'capabilities[0].name'],
    ['an unknown flavour', { functions: [functionOf(0, { flavour: 'PCI' })] }, 'functions[0].flavour'],
    ['no netdev', { functions: [functionOf(0, { netdev: '' })] }, 'functions[0].netdev'],
    ['too long a netdev', { functions: [functionOf(0, { netdev: 'x'.repeat(16) })] }, 'functions[0].netdev'],
    [
      'a switch id of a book',
      { functions: [functionOf(0, { switchId: 'x'.repeat(65) })] },
      'functions[0].switchId',
    ],
    [
      'no MAC address',
      { functions: [functionOf(), functionOf(0, { pfMacAddress: '' })] },
      'functions[1].pfMacAddress',
    ],
    [
      'a group address',
      { functions: [functionOf(0, { hwAddress: '01:00:5e:00:00:01' })] },
      'functions[0].hwAddress',
    ],
    [
      'a sealing key that is none',
      { acceleration: { sealingPublicKey: new Uint8Array(31) } },
      'acceleration.sealingPublicKey',
    ],
    [
      'too long an algorithm',
      {
        acceleration: {
          sealingPublicKey: new Uint8Array(32),
          capabilities: [{ algorithm: 'x'.repeat(65) }],
        },
      },
      'acceleration.capabilities[0].algorithm',
    ],
    ['the same numbers twice', { functions: [functionOf(0), functionOf(1), functionOf(0)] }, 'functions[2]'],
  ])('with %s is refused, naming the field, and nothing is stored', async (_, more, field) => {
    const before = revision();
    expect(await laboratory.report('dpu-7', reportOf(SN, more))).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', violations: [{ field }] },
    });
    expect(revision()).toBe(before);
  });

  it('whose functions could not be named is refused', async () => {
    const dpu = 'd'.repeat(63);
    expect(await laboratory.report(dpu, reportOf(SN, { functions: [functionOf(0)] }))).toMatchObject({
      error: { violations: [{ field: 'functions[0]' }] },
    });
  });

  it('tells all its problems at once', async () => {
    const functions = Array.from({ length: 1_000 }, (_, index) =>
      functionOf(index, { netdev: '', flavour: '' }),
    );
    const refused = await laboratory.report('dpu-7', reportOf('', { functions }));
    expect(refused).toMatchObject({ error: { message: '2001 problems', violationTotal: 2001 } });
  });

  it('of 5,000 functions is refused; of as many as are allowed it is taken', async () => {
    const many = (count: number) => ({
      functions: Array.from({ length: count }, (_, index) =>
        functionOf(undefined, { pfNumber: index, netdev: `f${index}`, switchId: '0123456789abcdef' }),
      ),
    });
    // Past the bus, which refuses what is that large already.
    const body = encodeBinary(
      InventoryReportSchema,
      create(InventoryReportSchema, reportOf(SN, many(5_000))),
    );
    expect(body.length).toBeGreaterThan(MAX_BODY_BYTES);
    const subject = 'outboard.v1alpha1.dpu.dpu-7.inventory.admin';
    expect(await laboratory.admin.handleInventory({ subject, headers: {}, body })).toMatchObject({
      error: { violations: [{ field: 'functions', description: 'must be at most 2048' }] },
    });
    expect(laboratory.functionNames()).toEqual([]);
    expect(await laboratory.report('dpu-7', reportOf(SN, many(2_048)))).toMatchObject({ ok: true });
    expect(laboratory.functionNames()).toHaveLength(2_048);
    expect(await laboratory.report('dpu-7', reportOf(SN, many(0)))).toMatchObject({ ok: true });
    expect(laboratory.functionNames()).toHaveLength(0);
  });

  it('on a subject that names no DPU is refused', async () => {
    for (const subject of [
      'outboard.v1alpha1.dpu.Dpu.inventory.admin',
      'dpu',
      'outboard.v1alpha1.dpu._.inventory.admin',
    ]) {
      const request = { subject, headers: {}, body: new Uint8Array() };
      expect(await laboratory.admin.handleInventory(request)).toMatchObject({ ok: false });
      expect(await laboratory.admin.handleHeartbeat(request)).toMatchObject({ ok: false });
    }
  });

  it('of arbitrary bytes is refused, or taken as it is: never a throw', async () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat(200)).map(([noise, at]) => {
        const bytes = encodeBinary(InventoryReportSchema, create(InventoryReportSchema, reportOf(SN)));
        bytes.set(noise, Math.min(at, bytes.length - noise.length));
        return bytes;
      }),
    );
    const subject = 'outboard.v1alpha1.dpu.dpu-7.inventory.admin';
    await fc.assert(
      fc.asyncProperty(body, async (bytes) => {
        const before = revision();
        const request = { subject, headers: {}, body: bytes };
        const taken = await laboratory.admin.handleInventory(request);
        if (!taken.ok) {
          expect(taken.error.code).not.toBe('INTERNAL');
          expect(revision()).toBe(before);
        }
        const beat = await laboratory.admin.handleHeartbeat(request);
        // What it tells may be written after its answer.
        await settled();
        if (!beat.ok) expect(beat.error.code).toBe('INVALID_ARGUMENT');
      }),
      { numRuns: 500 },
    );
  });
});
