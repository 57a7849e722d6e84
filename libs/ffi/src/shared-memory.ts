import koffi from 'koffi';
import { libc } from './libc.js';
import { processLibrary } from './process-library.js';
import { SystemError } from './system-error.js';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;
const F_SEAL_GROW = 4;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

const raw = {
  memfdCreate: processLibrary.func('int memfd_create(const char *, unsigned int)'),
  ftruncate: processLibrary.func('int ftruncate(int, int64_t)'),
  // Declared with its optional argument always there: callee and caller agree on where it is on x86-64 and arm64 Linux.
  fcntl: processLibrary.func('int fcntl(int, int, ...)'),
  mmap: processLibrary.func('uint64_t mmap(void *, size_t, int, int, int, int64_t)'),
  munmap: processLibrary.func('int munmap(uint64_t, size_t)'),
};

/** What a region cannot be changed in once it is sealed (memfd_create(2), fcntl(2)): its size, and its seals. */
const SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;

/**
 * Memory that two processes map. Its size is sealed: without that either of them could shrink it, and the other would
 * die of SIGBUS at its next access. What is in it may change at any time, by the other side.
 */
export class SharedMemory implements Disposable {
  #disposed = false;

  private constructor(
    /** Of the memfd; open for as long as the region is mapped. */
    readonly descriptor: number,
    private readonly address: bigint,
    /** The region in place. Not to be touched once it is disposed: the memory is no longer there. */
    readonly bytes: Uint8Array<ArrayBuffer>,
  ) {}

  /** A new region of `length` bytes, all 0, sealed. */
  static create(name: string, length: number): SharedMemory {
    const descriptor = checked(
      'memfd_create',
      raw.memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) as number,
    );
    try {
      checked('ftruncate', raw.ftruncate(descriptor, length) as number);
      checked('fcntl', raw.fcntl(descriptor, F_ADD_SEALS, 'int', SEALS) as number);
      return SharedMemory.map(descriptor, length);
    } catch (failure) {
      libc.close(descriptor);
      throw failure;
    }
  }

  /** Maps a region that came from elsewhere, and takes its descriptor over. EINVAL: its size is not sealed. */
  static map(descriptor: number, length: number): SharedMemory {
    const seals = checked('fcntl', raw.fcntl(descriptor, F_GET_SEALS, 'int', 0) as number);
    if ((seals & SEALS) !== SEALS) throw new SystemError('mmap', 22, 'a region whose size is not sealed');
    const address = BigInt(raw.mmap(null, length, PROT_READ_WRITE, MAP_SHARED, descriptor, 0));
    if (address === MAP_FAILED) throw new SystemError('mmap', koffi.errno());
    return new SharedMemory(descriptor, address, new Uint8Array(koffi.view(address, length)));
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    raw.munmap(this.address, this.bytes.length);
    libc.close(this.descriptor);
  }
}

function checked(syscall: string, result: number): number {
  if (result >= 0) return result;
  throw new SystemError(syscall, koffi.errno());
}
