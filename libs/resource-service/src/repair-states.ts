import { type AppError, ok, type Result } from '@outboard/core';
import type { Key, NewRow, Store } from '@outboard/store';
import type { ResourceDomain } from './domain.js';
import { keyText } from './key-text.js';
import { type MessageFactory, revisionIn } from './messages.js';
import { valueIn } from './rows.js';
import type { Transaction } from './transaction.js';

/** The states that a stream holds, without tombstones: the id of the message by `kind/tenant/name`. */
export type PublishedStates = ReadonlyMap<string, string>;

export interface RepairOptions {
  readonly store: Store;
  readonly domain: ResourceDomain;
  /** Name of the service. */
  readonly source: string;
  write(work: (transaction: Transaction, factory: MessageFactory) => void): Promise<Result<void, AppError>>;
}

/** States in one commit, and their rows' text: far below what a batch may hold. */
const CHUNK_STATES = 256;
const CHUNK_CHARACTERS = 1024 * 1024;

/**
 * Publishes the states of stored resources that the stream lacks or has as they were before, and tombstones of what it
 * has and the store has not. Through the outbox, so that they come after what is on its way, and before what follows.
 */
export async function repairStates(
  published: PublishedStates,
  options: RepairOptions,
): Promise<Result<void, AppError>> {
  const { store, domain, source, write } = options;
  const gone = new Map(
    [...published.keys()].flatMap((text) => {
      const [kind = '', tenant = '', name = ''] = text.split('/');
      return domain.kinds.some((each) => each === kind) ? [[text, { kind, tenant, name }] as const] : [];
    }),
  );
  for (const kind of domain.kinds) {
    let after: Key | undefined;
    do {
      const page = store.read((snapshot) =>
        snapshot.list(kind, { ...(after && { after }), limit: CHUNK_STATES }),
      );
      for (const { key } of page.rows) gone.delete(keyText(key));
      const wrong = page.rows.filter(({ key, revision }) => {
        const told = revisionIn(published.get(keyText(key)) ?? '', source, store.epoch);
        return told === undefined || told < revision;
      });
      for (const keys of chunksOf(wrong)) {
        const written = await write((transaction, factory) => {
          for (const key of keys) {
            // As it is now: it may have changed, or gone, since it was listed.
            const row = transaction.row(key);
            if (row) transaction.send(factory.state(domain.resourceOf(valueIn(row).record)));
          }
        });
        if (!written.ok) return written;
      }
      after = page.next;
    } while (after);
  }
  const keys = [...gone.values()];
  for (let at = 0; at < keys.length; at += CHUNK_STATES) {
    const written = await write((transaction, factory) => {
      for (const key of keys.slice(at, at + CHUNK_STATES))
        if (!transaction.row(key)) transaction.send(factory.tombstone(key));
    });
    if (!written.ok) return written;
  }
  return ok(undefined);
}

function* chunksOf(rows: readonly NewRow[]): Iterable<readonly Key[]> {
  let chunk: Key[] = [];
  let characters = 0;
  for (const { key, value } of rows) {
    chunk.push(key);
    characters += value.length;
    if (characters < CHUNK_CHARACTERS) continue;
    yield chunk;
    chunk = [];
    characters = 0;
  }
  if (chunk.length > 0) yield chunk;
}
