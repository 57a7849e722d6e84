import type { AwaitedEntry, DpuEntry } from './entries.js';

/** The DPU must confirm the sequence. */
export function expectObject(entry: AwaitedEntry, dpu: DpuEntry, sequence: number): void {
  if (!dpu.awaited.has(entry)) entry.lagging++;
  dpu.awaited.set(entry, sequence);
}

export function confirmObject(entry: AwaitedEntry, dpu: DpuEntry): void {
  if (dpu.awaited.delete(entry)) entry.lagging--;
}
