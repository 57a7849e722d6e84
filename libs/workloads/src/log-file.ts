import { existsSync, statSync, watch } from 'node:fs';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { AppError, type Clock } from '@outboard/core';

/** A log is begun anew at this size; the one before is kept. */
const MAX_FILE_BYTES = 1 << 20;
const MAX_PAGE_BYTES = 128 << 10;
const MAX_LINES = 1000;
const POLL_MILLISECONDS = 500;

export interface LogLine {
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  readonly stream: string;
  readonly text: string;
}

export interface LogPage {
  readonly lines: readonly LogLine[];
  /** Where to go on. */
  readonly cursor: string;
  /** What stood at the cursor is gone. */
  readonly truncated: boolean;
}

/** Kubernetes' format of container logs, as conmon writes it: `<time> <stream> <F or P> <text>`. */
const LINE = /^(\S+) (stdout|stderr) ([FP]) (.*)$/;

/** What a workload says: the file that is being written, and the one before. */
export class WorkloadLog {
  constructor(
    readonly path: string,
    private readonly clock: Clock,
  ) {}

  get #former(): string {
    return `${this.path}.1`;
  }

  /** Moves a log that has become large away; true: whoever writes it has to open it anew. */
  async rotate(): Promise<boolean> {
    const found = await stat(this.path).catch(() => undefined);
    if (found === undefined || found.size < MAX_FILE_BYTES) return false;
    await rename(this.path, this.#former);
    return true;
  }

  /** The last lines. */
  async tail(count: number): Promise<LogPage> {
    const newest = await this.#read(this.path, (size) => Math.max(0, size - MAX_PAGE_BYTES));
    let lines = newest.lines;
    if (lines.length < count) {
      const former = await this.#read(this.#former, (size) => Math.max(0, size - MAX_PAGE_BYTES));
      lines = [...former.lines, ...lines];
    }
    const wanted = Math.min(count, MAX_LINES);
    return { lines: wanted === 0 ? [] : lines.slice(-wanted), cursor: newest.cursor, truncated: false };
  }

  /** What came after a cursor; waits for something, if there is nothing yet. Throws AppError INVALID_ARGUMENT. */
  async since(cursor: string, waitMilliseconds: number, signal: AbortSignal): Promise<LogPage> {
    const match = /^(\d{1,20}):(\d{1,15})$/.exec(cursor);
    if (match === null)
      throw AppError.invalid([{ field: 'cursor', description: 'must be one that was given' }]);
    const [, inode = '', offset = ''] = match;
    const end = this.clock.monotonic() + waitMilliseconds;
    for (;;) {
      const page = await this.#after(inode, Number(offset));
      const left = end - this.clock.monotonic();
      if (page.lines.length > 0 || page.cursor !== cursor || left <= 0 || signal.aborted) return page;
      await this.#changed(Math.min(left, POLL_MILLISECONDS), signal);
    }
  }

  async #after(inode: string, offset: number): Promise<LogPage> {
    for (const path of [this.#former, this.path]) {
      if (inodeOf(path) !== inode) continue;
      const page = await this.#read(path, () => offset);
      // At the end of the one before: the next one begins.
      if (page.lines.length === 0 && path === this.#former && existsSync(this.path))
        return this.#read(this.path, () => 0);
      return page;
    }
    const first = existsSync(this.#former) ? this.#former : this.path;
    return { ...(await this.#read(first, () => 0)), truncated: inode !== '0' };
  }

  /** Whole lines from a place on, of a page. */
  async #read(path: string, from: (size: number) => number): Promise<LogPage> {
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch {
      return { lines: [], cursor: '0:0', truncated: false };
    }
    try {
      const { size, ino } = await file.stat();
      const start = Math.min(from(size), size);
      const bytes = Buffer.alloc(Math.min(MAX_PAGE_BYTES, size - start));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
      const { lines, length } = linesOf(bytes.subarray(0, bytesRead));
      return { lines, cursor: `${ino}:${start + length}`, truncated: false };
    } finally {
      await file.close();
    }
  }

  async #changed(milliseconds: number, signal: AbortSignal): Promise<void> {
    if (!existsSync(this.path)) return this.clock.delay(milliseconds, signal);
    const pause = new AbortController();
    const stop = (): void => pause.abort();
    signal.addEventListener('abort', stop, { once: true });
    const watcher = watch(this.path, stop);
    watcher.once('error', stop);
    await this.clock.delay(milliseconds, pause.signal);
    watcher.close();
    signal.removeEventListener('abort', stop);
  }
}

const inodeOf = (path: string): string | undefined =>
  statSync(path, { throwIfNoEntry: false })?.ino.toString();

/** The whole lines at the beginning of some bytes, at most a page of them, and how many bytes these are. */
function linesOf(bytes: Buffer): { readonly lines: LogLine[]; readonly length: number } {
  const lines: LogLine[] = [];
  /** Lines of each stream that were written in parts, and whose end has not come. */
  const begun = new Map<string, LogLine>();
  let start = 0;
  while (lines.length < MAX_LINES) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) break;
    const match = LINE.exec(bytes.toString('utf8', start, end));
    start = end + 1;
    // The first line of a page that begins in the middle of one.
    if (match === null) continue;
    const [, time = '', stream = '', tag, text = ''] = match;
    const line = { time, stream, text: (begun.get(stream)?.text ?? '') + text };
    begun.delete(stream);
    if (tag === 'P') begun.set(stream, line);
    else lines.push(line);
  }
  lines.push(...begun.values());
  // A page without an end of a line: a part of one line.
  const length = start === 0 && bytes.length === MAX_PAGE_BYTES ? bytes.length : start;
  return { lines, length };
}
