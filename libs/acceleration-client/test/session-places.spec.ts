import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { newestOf } from '../src/index.js';

const TOKEN = Buffer.alloc(32, 1);

let places: string[];
beforeEach(() => {
  places = ['a', 'b', 'c'].map((name) => mkdtempSync(join(tmpdir(), `outboard-place-${name}-`)));
});
afterEach(() => {
  for (const place of places) rmSync(place, { recursive: true });
});

const describeIn = (index: number, text: string): void =>
  writeFileSync(join(places[index] ?? '', 'session.json'), text);

it('a session is where its epoch is the highest, whatever dead and damaged descriptions there are', async () => {
  const locate = newestOf([...places, '/nowhere'], TOKEN);
  await expect(locate()).rejects.toMatchObject({ status: 'UNAVAILABLE', class: 'MOVE' });
  describeIn(0, '{"epoch":4}');
  describeIn(1, '{"epo');
  expect(await locate()).toEqual({ directory: places[0], token: TOKEN });
  describeIn(2, '{"epoch":10}');
  expect(await locate()).toEqual({ directory: places[2], token: TOKEN });
});
