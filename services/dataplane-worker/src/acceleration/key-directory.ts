import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyStorage } from '@outboard/acceleration';
import { isMissing, replaceFile } from '@outboard/service-shell/process';

/** Keys of this worker on its disk, readable by it alone: a file for each record, replaced as a whole. */
export class KeyDirectory implements KeyStorage {
  private constructor(private readonly path: string) {}

  static async open(path: string): Promise<KeyDirectory> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new KeyDirectory(path);
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.path, name));
    } catch (failure) {
      if (isMissing(failure)) return undefined;
      throw failure;
    }
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    await replaceFile(join(this.path, name), [bytes]);
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.path, name), { force: true });
  }
}
