import { afterEach } from '@jest/globals';
import type { Store } from '../src/port.js';
import { openSqliteStore, type SqliteStoreOptions } from '../src/sqlite/open.js';

/** `openSqliteStore` whose stores are closed after the test, whatever became of it. */
export function openedStores(): (options: SqliteStoreOptions) => Promise<Store> {
  const opened: Store[] = [];
  afterEach(async () => {
    for (const store of opened.splice(0)) await store[Symbol.asyncDispose]();
  });
  return async (options) => {
    const store = await openSqliteStore(options);
    opened.push(store);
    return store;
  };
}
