import { describe, expect, it } from '@jest/globals';
import { AnswerRetention } from '../src/answer-retention.js';
import { Laboratory, manifest } from './laboratory.js';

const HOUR = 60 * 60_000;

/** Runs groups of so many answers each so many milliseconds; the revision that answers are then kept from. */
function run(groups: number, answers: number, milliseconds: number): { keptFrom: number; row: string } {
  let retention = new AnswerRetention(undefined);
  let row = '[]';
  for (let revision = 1; revision <= groups; revision++) {
    const written = retention.note(answers, revision, revision * milliseconds);
    if (written) row = written.value;
    // A restart now and then: only what was written is left.
    if (revision % 1_000 === 0) retention = new AnswerRetention({ value: row });
  }
  return { keptFrom: retention.keptFrom, row };
}

describe('the memory of answers', () => {
  it('is kept for a day', () => {
    const { keptFrom } = run(10_000, 1, 60_000);
    const kept = (10_000 - keptFrom) * 60_000;
    expect(kept).toBeGreaterThanOrEqual(24 * HOUR);
    expect(kept).toBeLessThanOrEqual(27 * HOUR);
  });

  it('is bounded by a number of answers, however fast they come', () => {
    const { keptFrom, row } = run(20_000, 256, 10);
    const kept = (20_000 - keptFrom) * 256;
    expect(kept).toBeGreaterThan(900_000);
    expect(kept).toBeLessThanOrEqual(1_030_000);
    expect(row.length).toBeLessThan(10_000);
  });

  it('keeps everything of a service that has just begun', () => {
    const { keptFrom } = run(100, 1, 1);
    expect(keptFrom).toBe(1);
  });

  it('what is not kept any more is forgotten in the store', async () => {
    const laboratory = await Laboratory.open();
    const remembered = (id: string) => laboratory.store.read((snapshot) => snapshot.remembered(id));
    for (let hour = 0; hour < 30; hour++) {
      await laboratory.intent(`n-${hour}`, { messageId: `m-${hour}` });
      await laboratory.clock.advance(HOUR);
    }
    await laboratory.published();
    expect(remembered('m-0')).toBeUndefined();
    expect(remembered('m-29')).toBeDefined();
    expect(await laboratory.request('get', { name: 'n-0' })).toMatchObject({ ok: true });
    expect(await laboratory.request('apply', manifest('n-0'))).toMatchObject({ ok: true });
    await laboratory.close();
  });
});
