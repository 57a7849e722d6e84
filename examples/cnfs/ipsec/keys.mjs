// Pre-shared keys: files that only this program reads, each called as its key.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export class Keys {
  #directory;

  constructor(directory) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** Undefined: there is none of that name. */
  get(name) {
    try {
      // An editor's newline is no part of a key.
      return readFileSync(join(this.#directory, name), 'utf8').replace(/\r?\n$/, '');
    } catch (failure) {
      if (failure.code === 'ENOENT') return undefined;
      throw failure;
    }
  }

  /** There is the old one or the new one, at any time. */
  set(name, key) {
    const path = join(this.#directory, name);
    writeFileSync(`${path}~`, key, { mode: 0o600 });
    renameSync(`${path}~`, path);
  }
}
