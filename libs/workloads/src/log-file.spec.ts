import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { systemClock } from '@outboard/core';
import { WorkloadLog } from './log-file.js';

let directory: string;
let log: WorkloadLog;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'outboard-log-'));
  log = new WorkloadLog(join(directory, 'log'), systemClock);
});
afterEach(() => rmSync(directory, { recursive: true }));

const TIME = '2026-11-27T02:28:27.746209871+00:00';
const write = (...lines: string[]): void =>
  appendFileSync(log.path, lines.map((line) => `${TIME} ${line}\n`).join(''));
const never = new AbortController().signal;
const texts = ({ lines }: { lines: readonly { text: string }[] }) => lines.map(({ text }) => text);

it('lines that were written in parts are put together, each stream for itself', async () => {
  write('stderr P touch: ', 'stdout F end', 'stderr F no such file');
  expect(texts(await log.tail(10))).toEqual(['end', 'touch: no such file']);
});

it('the last lines are shown, also of the log before', async () => {
  writeFileSync(`${log.path}.1`, `${TIME} stdout F one\n${TIME} stdout F two\n`);
  write('stdout F three');
  expect(texts(await log.tail(2))).toEqual(['two', 'three']);
  expect(texts(await log.tail(0))).toEqual([]);
});

it('what comes after a cursor is told once, and waited for', async () => {
  write('stdout F one');
  const { cursor } = await log.tail(1);
  const next = log.since(cursor, 5_000, never);
  write('stdout F two');
  const page = await next;
  expect(texts(page)).toEqual(['two']);
  expect(await log.since(page.cursor, 0, never)).toEqual({
    lines: [],
    cursor: page.cursor,
    truncated: false,
  });
});

it('a log that was begun anew is followed from the one before, and what is lost is told', async () => {
  write('stdout F one');
  const { cursor } = await log.tail(1);
  write(`stdout F ${'x'.repeat(1 << 20)}`);
  expect(await log.rotate()).toBe(true);
  write('stdout F three');
  expect(await log.rotate()).toBe(false);
  let seen = '';
  for (let page = await log.since(cursor, 0, never); ; page = await log.since(page.cursor, 0, never)) {
    seen = texts(page).at(-1) ?? seen;
    expect(page.truncated).toBe(false);
    if (seen === 'three') break;
  }
  expect((await log.since('99999999:5', 0, never)).truncated).toBe(true);
});

it('a cursor that was never given is refused', async () => {
  await expect(log.since('../x', 0, never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});
