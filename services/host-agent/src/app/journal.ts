import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@outboard/core';
import { type Log, replaceFile } from '@outboard/service-shell/process';
import { type Attachment, fileNameOf, keyOf } from '../domain/attachment.js';

const FORMAT = 1;

/**
 * What this host has attached, is attaching and is releasing, one file each: written before anything is done of which
 * something could be left, removed when nothing is.
 */
export class Journal {
  readonly #attachments = new Map<string, Attachment>();
  /** Writes of one attachment follow one another. */
  readonly #writing = new Map<string, Promise<void>>();

  private constructor(private readonly directory: string) {}

  /** Throws the system's error, or AppError DATA_LOSS where a file is not one of ours: nobody knows what it stood for. */
  static open(directory: string, log: Log): Journal {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const journal = new Journal(directory);
    for (const name of readdirSync(directory)) {
      // A write that was cut short; the file that it was to replace is whole.
      if (name.endsWith('.new')) rmSync(join(directory, name), { force: true });
      if (!name.endsWith('.json')) continue;
      const attachment = read(join(directory, name));
      journal.#attachments.set(keyOf(attachment), attachment);
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

  /** Known at once; resolves when it is on the disk. */
  write(attachment: Attachment): Promise<void> {
    const key = keyOf(attachment);
    this.#attachments.set(key, attachment);
    const bytes = Buffer.from(`${JSON.stringify({ format: FORMAT, ...attachment })}\n`);
    return this.#after(key, () => replaceFile(this.#path(key), [bytes]));
  }

  /** Forgotten at once. A file that comes back after a crash is of something that is released again, which harms nobody. */
  remove(key: string): Promise<void> {
    this.#attachments.delete(key);
    return this.#after(key, () => rm(this.#path(key), { force: true }));
  }

  #after(key: string, action: () => Promise<void>): Promise<void> {
    const done = (this.#writing.get(key) ?? Promise.resolve()).catch(() => {}).then(action);
    this.#writing.set(key, done);
    const settled = (): void => {
      if (this.#writing.get(key) === done) this.#writing.delete(key);
    };
    done.then(settled, settled);
    return done;
  }

  #path(key: string): string {
    return join(this.directory, fileNameOf(key));
  }
}

function read(path: string): Attachment {
  try {
    const { format, ...attachment } = JSON.parse(readFileSync(path, 'utf8')) as Attachment & {
      format: number;
    };
    if (format !== FORMAT) throw new Error(`its format is ${format}, not ${FORMAT}`);
    return attachment;
  } catch (cause) {
    throw new AppError('DATA_LOSS', `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
