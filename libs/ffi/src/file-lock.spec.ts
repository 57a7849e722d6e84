import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { libc } from './libc.js';

it('a locked file cannot be locked by another open file until the first is closed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ffi-lock-'));
  try {
    const first = openSync(join(directory, 'lock'), 'w');
    const second = openSync(join(directory, 'lock'), 'r');
    expect(libc.tryLock(first)).toBe(true);
    expect(libc.tryLock(second)).toBe(false);
    closeSync(first);
    expect(libc.tryLock(second)).toBe(true);
    closeSync(second);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
