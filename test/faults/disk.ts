import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const PREFIX = 'outboard-faults-';
/** What e2fsck ends with when it has found errors and corrected them. */
const CORRECTED = 1;
const MEBIBYTE = 1024 * 1024;

/** A file system of its own that can be filled, and that can fail as a broken disk does: ext4 in a file. */
export class Disk implements Disposable {
  #image: string;

  private constructor(
    /** Where it is mounted; below the directory of temporary files. */
    readonly path: string,
    mebibytes: number,
  ) {
    this.#image = `${path}.ext4`;
    closeSync(openSync(this.#image, 'w', 0o600));
    run('truncate', '--size', `${mebibytes}M`, this.#image);
    // Without blocks that only root may use: the processes are root's, and would not find the disk full.
    run('mkfs.ext4', '-q', '-m', '0', this.#image);
    mkdirSync(path);
    this.#mount();
  }

  /** What a test that was killed has left under the name is removed first. */
  static make(name: string, mebibytes: number): Disk {
    const path = join(tmpdir(), PREFIX + name);
    removeDisk(path);
    return new Disk(path, mebibytes);
  }

  #mount(): void {
    // As most systems mount their disks: an error of the file system makes it read-only at once, also for open files.
    run('mount', '-o', 'loop,errors=remount-ro', this.#image, this.path);
  }

  fill(): void {
    const file = openSync(join(this.path, 'filler'), 'a');
    try {
      // In ever smaller pieces, and to the disk at once: otherwise what is only in memory seems to have found room.
      for (let size = MEBIBYTE; size >= 1024; size /= 2) {
        const piece = Buffer.alloc(size, 1);
        for (;;) if (!tryWrite(file, piece)) break;
      }
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(join(this.path, 'filler'));
  }

  /** The kernel finds the file system damaged: nothing can be written any more, whoever has files open. */
  fail(): void {
    const device = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, point]) => point === this.path)?.[0];
    if (device === undefined) throw new Error(`nothing is mounted on ${this.path}`);
    writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, 'outboard: a fault on purpose');
  }

  /**
   * What an operator does after `fail`; only while nobody has a file of it open. A copy is repaired, as the machines of
   * the testbed have the broken one in mount namespaces of their own.
   */
  repair(): void {
    run('umount', this.path);
    const broken = this.#image;
    this.#image = `${broken}.repaired`;
    copyFileSync(broken, this.#image);
    run('e2fsck', '-p', '-f', this.#image);
    this.#mount();
  }

  [Symbol.dispose](): void {
    removeDisk(this.path);
  }
}

function removeDisk(path: string): void {
  const isMounted = readFileSync('/proc/mounts', 'utf8').includes(` ${path} `);
  if (isMounted) run('umount', '--lazy', path);
  for (const each of [path, `${path}.ext4`, `${path}.ext4.repaired`])
    rmSync(each, { recursive: true, force: true });
}

function tryWrite(file: number, piece: Buffer): boolean {
  try {
    const written = writeSync(file, piece);
    fsyncSync(file);
    return written === piece.length;
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw failure;
  }
}

function run(program: string, ...words: string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, words, { encoding: 'utf8' });
  if (status === 0 || (program === 'e2fsck' && status === CORRECTED)) return;
  throw new Error(`${program} ${words.join(' ')}: ${error?.message ?? (stderr || stdout)}`);
}
