import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';
import { type Attachment, fileNameOf, keyOf } from '../domain/attachment.js';

const FORMAT = 1;

/**
 * What this host has attached, is attaching and is releasing, one file each: written before anything is done of which
 * something could be left, removed when nothing is. It has to outlive the agent, not the machine: with that the pods
 * are gone, and their ports are known by their label. So nothing waits for the disk; and nothing is done on a pool
 * thread, where it would wait behind devices that are being moved.
 */
export class Journal {
  readonly #attachments = new Map<string, Attachment>();

  private constructor(private readonly directory: string) {}

  /** What cannot be read (a machine that lost power) is put aside. Throws the system's error. */
  static open(directory: string, log: Log): Journal {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const journal = new Journal(directory);
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      // A write that was cut short; the file that it was to replace is whole.
      if (name.endsWith('.new')) rmSync(path, { force: true });
      if (!name.endsWith('.json')) continue;
      try {
        const attachment = read(path);
        journal.#attachments.set(keyOf(attachment), attachment);
      } catch (failure) {
        log.error(
          { path, err: AppError.from(failure) },
          'an attachment on disk cannot be read: it is put aside',
        );
        renameSync(path, `${path}.unusable`);
      }
    }
    log.info({ attachments: journal.#attachments.size, directory }, 'journal');
    return journal;
  }

  get(key: string): Attachment | undefined {
    return this.#attachments.get(key);
  }

  values(): readonly Attachment[] {
    return [...this.#attachments.values()];
  }

  /** Replaced as a whole or not at all. Throws the system's error; then all is as it was. */
  write(attachment: Attachment): void {
    this.prepare(attachment)();
  }

  /**
   * Writes beside what is there; it takes its place when the result is called, which is less to do where somebody waits.
   * Until then nothing else is to be written of the same attachment. Both throw as `write`.
   */
  prepare(attachment: Attachment): () => void {
    const path = this.#path(keyOf(attachment));
    writeFileSync(`${path}.new`, `${JSON.stringify({ format: FORMAT, ...attachment })}\n`, { mode: 0o600 });
    return () => {
      renameSync(`${path}.new`, path);
      this.#attachments.set(keyOf(attachment), attachment);
    };
  }

  remove(key: string): void {
    const path = this.#path(key);
    for (const each of [path, `${path}.new`]) rmSync(each, { force: true });
    this.#attachments.delete(key);
  }

  #path(key: string): string {
    return join(this.directory, fileNameOf(key));
  }
}

function read(path: string): Attachment {
  const { format, ...attachment } = JSON.parse(readFileSync(path, 'utf8')) as Attachment & { format: number };
  if (format !== FORMAT) throw new Error(`its format is ${format}, not ${FORMAT}`);
  return attachment;
}
