export { LIMITS } from './limits.js';
export { openMemoryStore } from './memory/memory-store.js';
export { OutboxRelay, type OutboxRelayOptions, type RelayFailure } from './outbox-relay.js';
export * from './port.js';
export {
  backupSqliteStore,
  checkSqliteStore,
  renewEpoch,
  restoreSqliteStore,
  type StoreSummary,
} from './sqlite/backup.js';
export type { Durability } from './sqlite/epoch.js';
export { openSqliteStore, type SqliteStoreOptions } from './sqlite/open.js';
