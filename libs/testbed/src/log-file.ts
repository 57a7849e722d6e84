import { closeSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const MAX_BYTES = 8 << 20;
const TAIL_BYTES = 8 << 10;

/** What a program printed. Bounded: at 8 MiB the file becomes `<path>.1`, in place of the one before. */
export class LogFile {
  #descriptor: number;
  #bytes = 0;
  #tail = Buffer.alloc(0);
  #closed = false;

  constructor(readonly path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.#descriptor = openSync(path, 'a', 0o600);
  }

  /** Written at once, so that a crash of the reader loses nothing that it has read. */
  write(bytes: Buffer): void {
    this.#tail = Buffer.from(Buffer.concat([this.#tail, bytes]).subarray(-TAIL_BYTES));
    if (this.#closed) return;
    if (this.#bytes + bytes.length > MAX_BYTES) {
      closeSync(this.#descriptor);
      renameSync(this.path, `${this.path}.1`);
      this.#descriptor = openSync(this.path, 'a', 0o600);
      this.#bytes = 0;
    }
    writeSync(this.#descriptor, bytes);
    this.#bytes += bytes.length;
  }

  /** The last 8 KiB, for error messages. */
  get tail(): string {
    return this.#tail.toString('utf8').trimEnd();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#descriptor);
  }
}
