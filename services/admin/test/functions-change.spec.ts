import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { FunctionsChangeSchema } from '@outboard/contracts';
import {
  AdminLaboratory,
  encodeInventory,
  functionOf,
  portOf,
  type ReportInit,
  reportOf,
} from './admin-laboratory.js';

const SN = 'MT2113X00042';
const WHOLE = reportOf(SN);

const digestOf = (report: ReportInit): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(encodeInventory(report)).digest());

type ChangeInit = MessageInitShape<typeof FunctionsChangeSchema>;

const changeOf = (base: ReportInit, change: ChangeInit, more: ReportInit = {}): ReportInit => ({
  incarnation: WHOLE.incarnation ?? '',
  change: { ...(change as object), base: digestOf(base) },
  ...(more as object),
});

describe('a change of functions', () => {
  let laboratory: AdminLaboratory;
  beforeEach(async () => {
    laboratory = await AdminLaboratory.open();
    await laboratory.report('dpu-7', WHOLE);
  });
  afterEach(() => laboratory.close());
  const UNKNOWN = { error: { code: 'FAILED_PRECONDITION', reason: 'INVENTORY_UNKNOWN' } };

  it('makes those that it tells of what they are, and leaves all others and the DPU', async () => {
    const before = laboratory.dpu('dpu-7');
    const untouched = laboratory.function('dpu-7-pf0vf1');
    await laboratory.publishPort('web-1', portOf('web-1', { serialNumber: SN, vfNumber: 1 }));
    const claimed = laboratory.function('dpu-7-pf0vf1');
    const change = changeOf(WHOLE, {
      changed: [functionOf(undefined, { active: false }), functionOf(2)],
      gone: [{ pfNumber: 0, vfNumber: 0 }],
    });
    expect(await laboratory.report('dpu-7', change)).toMatchObject({ ok: true });
    expect(laboratory.functionNames()).toEqual(['dpu-7-pf0', 'dpu-7-pf0vf1', 'dpu-7-pf0vf2']);
    expect(laboratory.function('dpu-7-pf0')?.status.state).toBe('INACTIVE');
    expect(laboratory.function('dpu-7-pf0vf1')).toEqual(claimed);
    expect(claimed?.metadata.uid).toBe(untouched?.metadata.uid);
    expect(laboratory.events.slice(-2).toSorted()).toEqual(['dpu-7-pf0vf0 deleted', 'dpu-7-pf0vf2 ready']);
    expect(laboratory.dpu('dpu-7')).toEqual(before);
    expect(await laboratory.heartbeat('dpu-7', change)).toBe(false);
    const next = changeOf(change, {
      gone: [
        { pfNumber: 0, vfNumber: 1 },
        { pfNumber: 0, vfNumber: 2 },
      ],
    });
    expect(await laboratory.report('dpu-7', next)).toMatchObject({ ok: true });
    // The one that is gone and claimed is kept, and counts no more.
    expect(laboratory.functionNames()).toEqual(['dpu-7-pf0', 'dpu-7-pf0vf1']);
    expect(laboratory.dpu('dpu-7')?.status).toMatchObject({
      functions: 1,
      usedFunctions: 0,
      freeFunctions: 1,
    });
  });

  it('of another report than the last is refused, changes nothing, and has the whole asked for', async () => {
    const change = changeOf(reportOf(SN, { functions: [] }), { gone: [{ pfNumber: 0, vfNumber: 0 }] });
    expect(await laboratory.report('dpu-7', change)).toMatchObject(UNKNOWN);
    expect(laboratory.functionNames()).toHaveLength(3);
    expect(await laboratory.heartbeat('dpu-7', change)).toBe(true);
    expect(await laboratory.heartbeat('dpu-7', WHOLE)).toBe(true);
    await laboratory.report('dpu-7', WHOLE);
    expect(await laboratory.heartbeat('dpu-7', WHOLE)).toBe(false);
  });

  it.each<[string, () => Promise<unknown>, string, ReportInit]>([
    ['after a restart', () => laboratory.restart(), 'dpu-7', {}],
    ['of another boot', async () => {}, 'dpu-7', { incarnation: 'another' }],
    ['of a DPU that nobody knows', async () => {}, 'dpu-8', {}],
  ])('%s is refused until there was a whole report', async (_, before, dpu, more) => {
    await before();
    const change = changeOf(WHOLE, { gone: [{ pfNumber: 0, vfNumber: 0 }] }, more);
    expect(await laboratory.report(dpu, change)).toMatchObject(UNKNOWN);
    expect(laboratory.functionNames()).toHaveLength(3);
  });

  it('of a DPU that was deleted and made anew is refused', async () => {
    await laboratory.clock.advance(60_000);
    expect(await laboratory.remove('dpu', 'dpu-7')).toMatchObject({ ok: true });
    expect(await laboratory.apply('Dpu', 'dpu-7')).toMatchObject({ ok: true });
    expect(await laboratory.report('dpu-7', changeOf(WHOLE, { changed: [functionOf(5)] }))).toMatchObject(
      UNKNOWN,
    );
    expect(laboratory.functionNames()).toEqual([]);
  });

  it.each<[string, ChangeInit, string]>([
    ['an unknown flavour', { changed: [functionOf(0, { flavour: 'PCI' })] }, 'change.changed[0].flavour'],
    ['the same numbers twice', { changed: [functionOf(0), functionOf(0)] }, 'change.changed[1]'],
    ['one both there and gone', { changed: [functionOf(0)], gone: [{ vfNumber: 0 }] }, 'change.gone[0]'],
    [
      'too many at once',
      { gone: Array.from({ length: 2049 }, (_, vfNumber) => ({ vfNumber })) },
      'change.gone',
    ],
    [
      'more than a DPU may have',
      { changed: Array.from({ length: 2046 }, (_, index) => functionOf(index + 2)) },
      'change.changed',
    ],
  ])('with %s is refused, naming the field, and nothing is stored', async (_, change, field) => {
    expect(await laboratory.report('dpu-7', changeOf(WHOLE, change))).toMatchObject({
      error: { code: 'INVALID_ARGUMENT', violations: [{ field }] },
    });
    expect(laboratory.functionNames()).toHaveLength(3);
  });
});
