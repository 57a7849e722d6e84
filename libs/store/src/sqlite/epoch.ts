import { readFileSync } from 'node:fs';
import { invariant } from '@outboard/core';
import type Database from 'better-sqlite3';
import type { StoreState } from './entities.js';

/**
 * `FULL`: every group of commits is flushed to the disk before its commits resolve; a power cut loses nothing.
 * `NORMAL`: the disk is flushed at checkpoints only; a power cut or a crash of the kernel may lose the newest commits,
 * though never half of one. The death of the process loses nothing with either.
 */
export type Durability = 'NORMAL' | 'FULL';

/**
 * Sets how the connection flushes, and gives the epoch to work under. Others may have seen revisions that a power cut
 * took from us, and we would give the same numbers to other commits; so where commits may have been lost (there were
 * unflushed ones, and the machine has started again since), everybody has to begin anew with `newEpoch`.
 */
export function beginEpochUse(
  connection: Database.Database,
  durability: Durability,
  newEpoch: string,
): string {
  connection
    .prepare('INSERT OR IGNORE INTO store_state (id, epoch, revision, outbox_sequence) VALUES (1, ?, 0, 0)')
    .run(newEpoch);
  const state = connection
    .prepare<[], Pick<StoreState, 'epoch' | 'unflushedSinceBoot'>>(
      'SELECT epoch, unflushed_since_boot AS "unflushedSinceBoot" FROM store_state',
    )
    .get();
  invariant(state, 'the store has a state');
  const boot = bootId();
  const mayHaveLost = state.unflushedSinceBoot !== null && state.unflushedSinceBoot !== boot;
  const epoch = mayHaveLost ? newEpoch : state.epoch;
  // Flushed in any case: the mark has to be on the disk before the commits that it speaks of, and flushing the log
  // also flushes what a killed process left in it.
  connection.pragma('synchronous = FULL');
  connection
    .prepare('UPDATE store_state SET epoch = ?, unflushed_since_boot = ?')
    .run(epoch, durability === 'NORMAL' ? boot : null);
  connection.pragma(`synchronous = ${durability}`);
  return epoch;
}

/** The log is in order: when this is on the disk, all commits before it are. Closing the database flushes it. */
export function endEpochUse(connection: Database.Database): void {
  connection.prepare('UPDATE store_state SET unflushed_since_boot = NULL').run();
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
