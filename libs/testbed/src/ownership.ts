import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '@outboard/core';
import { libc, NetworkNamespace } from '@outboard/ffi';
import { labelProblem, MAX_TESTBED_NAME, namespacePrefix } from './plan.js';

/** One file per testbed: locked by its owner, and it says what to remove. Lives as long as namespaces can: until boot. */
const LOCKS = '/run/outboard-testbed';
const SUFFIX = '.lock';
/** Environment variable that marks every process of a testbed; what a marked process starts inherits it. */
export const MARK = 'OUTBOARD_TESTBED';
/** The same for what a DPU of a testbed runs of its own accord, its workloads: `<testbed>/<dpu>`. */
export const DPU_MARK = 'OUTBOARD_TESTBED_DPU';
const KILL_MILLISECONDS = 5000;
/** Within which the killed have left their cgroups. */
const LEAVE_MILLISECONDS = 1000;

interface LockRecord {
  readonly pid: number;
  /** Absent: the directory is the caller's, and stays. */
  readonly temporaryDirectory?: string;
}

/** What a sweep found. */
export interface Leftovers {
  /** Testbeds whose owner had died and of which nothing is left now. */
  readonly removed: readonly string[];
  /** Testbeds that were left alone because their owner lives. */
  readonly alive: readonly string[];
}

/**
 * The right to a testbed's name on this machine. It is an flock: the kernel gives it up when the owner dies, however
 * it dies, so the living and the dead cannot be confused (as they can by a recorded pid that was used again).
 */
export class Ownership {
  readonly #lock: number;
  #released = false;

  private constructor(
    readonly name: string,
    /** For stores, logs and sockets of the testbed. */
    readonly directory: string,
    lock: number,
  ) {
    this.#lock = lock;
  }

  /**
   * Takes a name; what a dead owner left under it is removed first. Without `directory` a temporary one is made, which
   * goes with the testbed. Throws AppError ALREADY_EXISTS if the owner lives.
   */
  static acquire(name: string, directory?: string): Ownership {
    const lock = tryLock(name);
    if (lock === undefined) {
      const owner = readRecord(pathOf(name))?.pid;
      throw new AppError('ALREADY_EXISTS', `testbed ${name} is in use by process ${owner ?? 'unknown'}`, {
        reason: 'TESTBED_IN_USE',
      });
    }
    try {
      sweep(name);
      const temporaryDirectory =
        directory === undefined ? mkdtempSync(join(tmpdir(), `outboard-${name}-`)) : undefined;
      const own = temporaryDirectory ?? directory ?? '';
      mkdirSync(own, { recursive: true });
      const record: LockRecord = {
        pid: process.pid,
        ...(temporaryDirectory !== undefined && { temporaryDirectory }),
      };
      ftruncateSync(lock);
      writeSync(lock, JSON.stringify(record), 0);
      const ownership = new Ownership(name, own, lock);
      hold(ownership);
      return ownership;
    } catch (failure) {
      closeSync(lock);
      throw failure;
    }
  }

  /** Removes processes, namespaces and the temporary directory, at once and synchronously; then gives up the name. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    try {
      sweep(this.name);
      // Unlinked while it is held: who waits for this file finds that the path leads elsewhere, and opens it anew.
      rmSync(pathOf(this.name), { force: true });
    } finally {
      closeSync(this.#lock);
      drop(this);
    }
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const held = new Set<Ownership>();

/** An owner that ends without disposing (an exception, `process.exit`, a signal) still cleans up. */
function hold(ownership: Ownership): void {
  if (held.size === 0) {
    process.on('exit', releaseAll);
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  held.add(ownership);
}

function drop(ownership: Ownership): void {
  held.delete(ownership);
  if (held.size > 0) return;
  process.off('exit', releaseAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function releaseAll(): void {
  for (const ownership of [...held]) {
    try {
      ownership.release();
    } catch (failure) {
      process.stderr.write(`testbed ${ownership.name} was not removed: ${String(failure)}\n`);
    }
  }
}

function onSignal(signal: NodeJS.Signals): void {
  // Whoever listens too will end the process in its own time, and disposes or exits: both come by here again.
  if (process.listenerCount(signal) > 1) return;
  releaseAll();
  process.kill(process.pid, signal);
}

/**
 * Removes what testbeds left whose owner died: their processes, namespaces and directories. Those whose owner lives
 * are not touched. With a name, only that one. Throws AppError INVALID_ARGUMENT for what cannot be a name.
 */
export function removeLeftovers(name?: string): Leftovers {
  const problem = name === undefined ? undefined : labelProblem(name, MAX_TESTBED_NAME);
  if (problem !== undefined) throw AppError.invalid([{ field: 'name', description: problem }]);
  const removed: string[] = [];
  const alive: string[] = [];
  for (const candidate of name === undefined ? lockedNames() : [name]) {
    const lock = tryLock(candidate);
    if (lock === undefined) {
      alive.push(candidate);
      continue;
    }
    try {
      const found = sweep(candidate);
      rmSync(pathOf(candidate), { force: true });
      if (found) removed.push(candidate);
    } finally {
      closeSync(lock);
    }
  }
  return { removed, alive };
}

const pathOf = (name: string): string => join(LOCKS, `${name}${SUFFIX}`);

function lockedNames(): string[] {
  mkdirSync(LOCKS, { recursive: true, mode: 0o700 });
  return readdirSync(LOCKS)
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort();
}

/** The descriptor of the locked file, or undefined if somebody else holds it. */
function tryLock(name: string): number | undefined {
  mkdirSync(LOCKS, { recursive: true, mode: 0o700 });
  for (;;) {
    // Kept as it is if it exists: it says what its last owner left.
    const descriptor = openSync(pathOf(name), 'a+', 0o600);
    if (!libc.tryLock(descriptor)) {
      closeSync(descriptor);
      return undefined;
    }
    const there = statSync(pathOf(name), { throwIfNoEntry: false });
    if (there?.ino === fstatSync(descriptor).ino) return descriptor;
    // Its owner removed the file between our opening and locking it.
    closeSync(descriptor);
  }
}

function readRecord(path: string): LockRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as LockRecord;
  } catch {
    // Empty or cut: the owner died before or while it wrote. Nothing but the name is known then.
    return undefined;
  }
}

/** Removes all that carries the name; the caller holds its lock. Tells whether there was anything. */
function sweep(name: string): boolean {
  const temporaryDirectory = readRecord(pathOf(name))?.temporaryDirectory;
  const namespaces = NetworkNamespace.list(namespacePrefix(name));
  const networks = new Set(namespaces.flatMap((each) => networkOf(`/run/netns/${each}`) ?? []));
  const isInside = (pid: number): boolean => networks.has(networkOf(`/proc/${pid}/ns/net`) ?? 0);
  const isMarked = hasVariable(`${MARK}=${name}`);
  // What the owner itself started in a namespace bears no mark: a switch, which outlives who started it.
  const killed = killAll(`of testbed ${name}`, (pid) => isMarked(pid) || isInside(pid));
  removeGroups(name);
  for (const namespace of namespaces) NetworkNamespace.remove(namespace);
  if (temporaryDirectory !== undefined) rmSync(temporaryDirectory, { recursive: true, force: true });
  return killed > 0 || namespaces.length > 0 || temporaryDirectory !== undefined;
}

/** Cgroups that programs of a testbed have made for what they run. */
export const groupOf = (name: string): string => `/ob-${name}`;

/** Takes away the empty cgroups of a testbed, in every hierarchy (cgroups(7)). */
function removeGroups(name: string): void {
  const root = '/sys/fs/cgroup';
  const hierarchies = existsSync(`${root}/cgroup.controllers`)
    ? [root]
    : existing(root).map((hierarchy) => `${root}/${hierarchy}`);
  const deadline = performance.now() + LEAVE_MILLISECONDS;
  for (const hierarchy of hierarchies) removeGroup(`${hierarchy}${groupOf(name)}`, deadline);
}

function removeGroup(path: string, deadline: number): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(`${path}/${entry.name}`, deadline);
  for (;;) {
    try {
      rmdirSync(path);
      return;
    } catch {
      // What was killed is in it until its parent has waited for it; whoever stays is told of elsewhere.
      if (performance.now() > deadline) return;
      pause();
    }
  }
}

const existing = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);

/**
 * Kills the processes that have this variable and waits until they are gone: they may write to the directory until then.
 * Returns how many there were. Throws AppError DEADLINE_EXCEEDED.
 */
export const killMarked = (variable: string): number => killAll(`with ${variable}`, hasVariable(variable));

function killAll(whose: string, isMeant: (pid: number) => boolean): number {
  const killed = new Set<number>();
  const deadline = performance.now() + KILL_MILLISECONDS;
  for (;;) {
    const found = processes().filter(isMeant);
    if (found.length === 0) return killed.size;
    if (performance.now() > deadline) {
      throw new AppError('DEADLINE_EXCEEDED', `processes ${whose} do not die: ${found.join(', ')}`);
    }
    for (const pid of found) {
      killed.add(pid);
      kill(pid);
    }
    pause();
  }
}

/** The caller may be an exit handler, so there is no event loop to wait with. */
const pause = (): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);

/** All but this one. */
const processes = (): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid);

/** Whether the environment of a process carries the mark. A zombie has no environment any more. */
function hasVariable(variable: string): (pid: number) => boolean {
  const mark = Buffer.from(`${variable}\0`);
  return (pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`).includes(mark);
    } catch {
      // It ended meanwhile, or it is another user's.
      return false;
    }
  };
}

/** The inode of the network namespace behind a path; undefined: it is gone, as that of a zombie is. */
function networkOf(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (failure) {
    // Not by its class: of another realm, as under jest, it is no Error of this one.
    if ((failure as NodeJS.ErrnoException).code !== 'ESRCH') throw failure;
  }
}
