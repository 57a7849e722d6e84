import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { forbidCoreDumps } from './core-dumps.js';

it('no core file is left, and that cannot be allowed again', () => {
  forbidCoreDumps();
  expect(readFileSync('/proc/self/limits', 'utf8')).toMatch(/^Max core file size +0 +0 +bytes/m);
});
