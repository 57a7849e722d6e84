import type { Random } from '@outboard/core';
import type { KeySlot } from './key-slot.js';
import { NONCE_BLOCK } from './key-slot.js';
import type { KeyStorage } from './key-storage.js';

/** Counters are signed 64-bit numbers: start and length together stay below 2^63. */
const HIGHEST_START = 1n << 62n;
const MOST_JOBS = 1n << 62n;

/**
 * Which counters of a key version are used up, on disk before they are used: after a crash the rest of a block is skipped,
 * and none comes again. The first one is drawn by lot, so that a worker which lost its disk does not begin where it began
 * before (docs/adr/0018).
 */
export class NonceLedger {
  constructor(
    private readonly storage: KeyStorage,
    private readonly random: Random,
  ) {}

  /** Gives a slot its first block, after all that was ever reserved. */
  async open(name: string, slot: KeySlot, maximumJobs: bigint): Promise<void> {
    const record = await this.storage.read(nameOf(name));
    const known = record === undefined ? undefined : parse(record);
    const start = known?.start ?? this.#draw();
    const counter = known?.reserved ?? start;
    const end = start + (maximumJobs < MOST_JOBS ? maximumJobs : MOST_JOBS);
    const reserved = counter + NONCE_BLOCK;
    await this.#write(name, start, reserved);
    slot.reserve(counter, reserved, end);
  }

  /** Gives a slot another block. */
  async refill(name: string, slot: KeySlot): Promise<void> {
    const record = await this.storage.read(nameOf(name));
    // Without its record nothing more may be used: the key was taken away meanwhile.
    if (record === undefined) return;
    const { start, reserved } = parse(record);
    const counter = slot.counter;
    const next = (counter > reserved ? counter : reserved) + NONCE_BLOCK;
    await this.#write(name, start, next);
    slot.raise(next);
  }

  async forget(name: string): Promise<void> {
    await this.storage.remove(nameOf(name));
  }

  #write(name: string, start: bigint, reserved: bigint): Promise<void> {
    return this.storage.write(nameOf(name), Buffer.from(`${start} ${reserved}\n`));
  }

  #draw(): bigint {
    const bytes = this.random.bytes(8);
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0) % HIGHEST_START;
  }
}

const nameOf = (name: string): string => `nonces.${name}`;

/** A record that cannot be read throws: guessing where to go on would use nonces again. */
function parse(record: Uint8Array): { start: bigint; reserved: bigint } {
  const [, start, reserved] = /^(\d+) (\d+)\n$/.exec(Buffer.from(record).toString('latin1')) ?? [];
  if (start === undefined || reserved === undefined) throw new Error('a record of nonces is damaged');
  return { start: BigInt(start), reserved: BigInt(reserved) };
}
