import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { AppError } from '@outboard/core';
import { CLONE_NEWNET, libc, MNT_DETACH, MS_BIND, MS_REC, MS_SHARED } from './libc.js';
import { SystemError } from './system-error.js';

/** Where iproute2 keeps named namespaces (ip-netns(8)); what we create is visible to `ip netns` and the reverse. */
const DIRECTORY = '/run/netns';
// The thread's, not the process's: the process's link follows the leading thread only.
const OWN = '/proc/thread-self/ns/net';
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** Which namespace to open: a name under /run/netns, any path, a process, or the one this thread is in. */
export type NamespaceReference =
  | { readonly name: string }
  | { readonly path: string }
  | { readonly pid: number }
  | 'self';

/** A function that is over when it returns: a promise would go on in another namespace than the one it began in. */
export type Synchronous<Value> = () => Value extends PromiseLike<unknown> ? never : Value;

/** An open network namespace. It lives as long as it has a name, a process, or an open handle like this one. */
export class NetworkNamespace implements Disposable {
  #closed = false;

  private constructor(
    /** The open file descriptor, for `netNsFd` attributes. */
    readonly descriptor: number,
    /** Its name under /run/netns, if it was opened or created by name. */
    readonly name: string | undefined,
    /** Identifies the namespace on this machine as long as it lives (the inode of nsfs). */
    readonly inode: number,
  ) {}

  /**
   * Creates a named namespace, as `ip netns add` does. The calling thread leaves and comes back meanwhile.
   * Throws AppError INVALID_ARGUMENT for a bad name, ALREADY_EXISTS, and SystemError (EPERM without privileges).
   */
  static create(name: string): NetworkNamespace {
    const path = pathOf(name);
    prepareDirectory();
    try {
      closeSync(openSync(path, 'wx', 0));
    } catch (failure) {
      if (isNodeError(failure, 'EEXIST')) {
        throw new AppError('ALREADY_EXISTS', `network namespace ${name} exists`, { cause: failure });
      }
      throw failure;
    }
    try {
      const home = openSync(OWN, 'r');
      try {
        libc.unshare(CLONE_NEWNET);
        try {
          libc.mount(OWN, path, 'none', MS_BIND);
        } finally {
          returnTo(home);
        }
      } finally {
        closeSync(home);
      }
    } catch (failure) {
      rmSync(path, { force: true });
      throw failure;
    }
    return NetworkNamespace.open({ name });
  }

  /** Opens an existing one. Throws AppError NOT_FOUND or INVALID_ARGUMENT. */
  static open(reference: NamespaceReference): NetworkNamespace {
    const path = pathOfReference(reference);
    let descriptor: number;
    try {
      descriptor = openSync(path, 'r');
    } catch (failure) {
      if (!isNodeError(failure, 'ENOENT')) throw failure;
      throw new AppError('NOT_FOUND', `no network namespace at ${path}`, { cause: failure });
    }
    const name = typeof reference === 'object' && 'name' in reference ? reference.name : undefined;
    return new NetworkNamespace(descriptor, name, fstatSync(descriptor).ino);
  }

  /** The names under /run/netns that start with `prefix`, sorted. */
  static list(prefix = ''): string[] {
    try {
      return readdirSync(DIRECTORY)
        .filter((name) => name.startsWith(prefix))
        .sort();
    } catch (failure) {
      if (isNodeError(failure, 'ENOENT')) return [];
      throw failure;
    }
  }

  /** Takes the name away; the namespace ends with its last process and handle. No such name is no error. */
  static remove(name: string): void {
    const path = pathOf(name);
    try {
      libc.umount2(path, MNT_DETACH);
    } catch (failure) {
      // EINVAL: a plain file, left where a creation was cut short. ENOENT: already gone.
      if (!(failure instanceof SystemError && (failure.code === 'EINVAL' || failure.code === 'ENOENT'))) {
        throw failure;
      }
    }
    rmSync(path, { force: true });
  }

  /**
   * Runs a synchronous function inside the namespace: its sockets, /proc/sys/net accesses and spawned children are
   * there. Calls nest. Nothing asynchronous may start in it: file, DNS and `listen(host)` calls run on other threads,
   * which stay outside. If the way back fails the process aborts, for nothing it did afterwards would be where it thinks.
   */
  run<Value>(action: Synchronous<Value>): Value {
    const home = openSync(OWN, 'r');
    try {
      libc.setns(this.descriptor, CLONE_NEWNET);
      try {
        const value = action();
        if (typeof (value as { then?: unknown } | undefined)?.then === 'function') {
          throw new TypeError('a function run inside a namespace must not return a promise');
        }
        return value;
      } finally {
        returnTo(home);
      }
    } finally {
      closeSync(home);
    }
  }

  /** Closes the handle; more than once is harmless. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.descriptor);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** `namespace.run(action)`, or the action where it is if there is no namespace. */
export const runIn = <Value>(namespace: NetworkNamespace | undefined, action: Synchronous<Value>): Value =>
  namespace === undefined ? action() : namespace.run(action);

function returnTo(home: number): void {
  try {
    libc.setns(home, CLONE_NEWNET);
  } catch (failure) {
    process.stderr.write(`cannot return to the network namespace: ${String(failure)}\n`);
    process.abort();
  }
}

function pathOfReference(reference: NamespaceReference): string {
  if (reference === 'self') return OWN;
  if ('path' in reference) return reference.path;
  if ('name' in reference) return pathOf(reference.name);
  if (!Number.isSafeInteger(reference.pid) || reference.pid <= 0) {
    throw AppError.invalid([{ field: 'pid', description: 'must be a positive integer' }]);
  }
  return `/proc/${reference.pid}/ns/net`;
}

function pathOf(name: string): string {
  if (!NAME.test(name)) {
    throw AppError.invalid([
      { field: 'name', description: `must match ${NAME.source} to name a network namespace` },
    ]);
  }
  return `${DIRECTORY}/${name}`;
}

/** As iproute2's `ip netns add`: the directory is a shared mount, so that names appear in every mount namespace. */
function prepareDirectory(): void {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o755 });
  try {
    libc.mount('', DIRECTORY, 'none', MS_SHARED | MS_REC);
  } catch (failure) {
    // EINVAL: it is not a mount point yet.
    if (!(failure instanceof SystemError) || failure.code !== 'EINVAL') throw failure;
    libc.mount(DIRECTORY, DIRECTORY, 'none', MS_BIND | MS_REC);
    libc.mount('', DIRECTORY, 'none', MS_SHARED | MS_REC);
  }
}

const isNodeError = (failure: unknown, code: string): boolean =>
  typeof failure === 'object' && failure !== null && 'code' in failure && failure.code === code;
