import { entryText, keyText } from './limits.js';
import type { Batch, CommitRefusal, Key, RememberedAnswer } from './port.js';

/** What a decision has to know about the state that the batch would change. */
export interface CurrentState {
  revisionOf(key: Key): number | undefined;
  /** The row that holds a unique index entry. */
  holderOf(index: string, value: string): Key | undefined;
  answerOf(messageId: string): RememberedAnswer | undefined;
}

/**
 * Whether a batch may be written, looked at before the first write: so a refused batch leaves nothing to undo and
 * cannot harm the others in its transaction.
 */
export function refusalOf(batch: Batch, current: CurrentState): CommitRefusal | undefined {
  for (const { messageId } of batch.remember) {
    const remembered = current.answerOf(messageId);
    if (remembered) return { kind: 'answered', remembered };
  }
  for (const { key, revision } of batch.expect) {
    const found = current.revisionOf(key) ?? 'absent';
    if (found !== revision) return { kind: 'stale', key, found };
  }
  return takenEntry(batch, current);
}

/** A row of the batch gives up what it held, so an entry may move within the batch. */
function takenEntry(batch: Batch, current: CurrentState): CommitRefusal | undefined {
  if (!batch.puts.some((row) => row.indexes.some((entry) => entry.unique))) return undefined;
  const touched = new Set<string>();
  for (const { key } of batch.puts) touched.add(keyText(key));
  for (const key of batch.deletes) touched.add(keyText(key));
  const claimed = new Map<string, Key>();
  for (const row of batch.puts) {
    for (const entry of row.indexes) {
      if (!entry.unique) continue;
      const text = entryText(entry.index, entry.value);
      const claimant = claimed.get(text);
      if (claimant) return { kind: 'taken', entry, holder: claimant };
      claimed.set(text, row.key);
      const holder = current.holderOf(entry.index, entry.value);
      if (holder && !touched.has(keyText(holder))) return { kind: 'taken', entry, holder };
    }
  }
  return undefined;
}
