import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { ThreadedWriter } from './threaded-writer.js';

const folder = mkdtempSync(join(tmpdir(), 'outboard-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a thread that writes', () => {
  it('does not start on what is no database', async () => {
    const path = join(folder, 'text.sqlite');
    writeFileSync(path, 'kind: Port\n'.repeat(1000));
    await expect(ThreadedWriter.start({ path, durability: 'FULL' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'DATABASE_WRITER_ENDED',
      message: expect.stringContaining(path),
    });
  });

  it('that dies over a group tells that it is not known whether it was written, and writes no more', async () => {
    const program = new URL('../../test/dying-thread.mjs', import.meta.url);
    const writer = await ThreadedWriter.start({ path: 'any.sqlite', durability: 'FULL' }, program);
    await expect(writer.write([])).rejects.toMatchObject({ reason: 'DATABASE_WRITER_ENDED' });
    expect(writer.isDead).toBe(true);
    await writer.close();
  });
});
