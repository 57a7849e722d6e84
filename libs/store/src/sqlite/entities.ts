import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The one row that says where the store stands. */
@Entity('store_state')
export class StoreState {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  epoch!: string;

  /** Revision of the newest commit. */
  @Column('integer')
  revision!: number;

  /** Sequence of the newest outbox message: kept, so that a sequence is never given twice. */
  @Column('integer', { name: 'outbox_sequence' })
  outboxSequence!: number;

  /**
   * The boot of the kernel (`/proc/sys/kernel/random/boot_id`) since which commits have been written that may not be
   * on the disk yet; null: everything is.
   */
  @Column('text', { name: 'unflushed_since_boot', nullable: true })
  unflushedSinceBoot!: string | null;
}

/** A resource or a piece of bookkeeping of a service. */
@Entity('stored_row')
@Index('stored_row_key', ['kind', 'tenant', 'name'], { unique: true })
export class StoredRow {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  kind!: string;

  @Column('text')
  tenant!: string;

  @Column('text')
  name!: string;

  @Column('integer')
  revision!: number;

  @Column('text')
  value!: string;

  /** JSON of `[index, value, unique][]`: the entries to remove when the row changes, and to give with the row. */
  @Column('text')
  indexes!: string;
}

/** The index entries of all rows; the key's columns are here too, so that a search is in key order without sorting. */
@Entity('index_entry', { withoutRowid: true })
export class StoredIndexEntry {
  @PrimaryColumn('text', { name: 'index_name' })
  indexName!: string;

  @PrimaryColumn('text')
  value!: string;

  @PrimaryColumn('text')
  kind!: string;

  @PrimaryColumn('text')
  tenant!: string;

  @PrimaryColumn('text')
  name!: string;

  @Column('integer', { name: 'is_unique' })
  isUnique!: number;
}

/** A message that the broker has not acknowledged yet. */
@Entity('outbox_message')
export class StoredMessage {
  @PrimaryColumn('integer')
  sequence!: number;

  @Column('text', { name: 'message_id' })
  messageId!: string;

  @Column('text')
  subject!: string;

  /** JSON object of strings. */
  @Column('text')
  headers!: string;

  @Column('blob')
  body!: Buffer;
}

/** In the order in which they were given, so that forgetting the oldest is cutting off one end. */
@Entity('remembered_answer')
@Index('remembered_answer_message_id', ['messageId'], { unique: true })
export class StoredAnswer {
  @PrimaryColumn('integer')
  id!: number;

  @Column('integer')
  revision!: number;

  @Column('text', { name: 'message_id' })
  messageId!: string;

  @Column('text')
  fingerprint!: string;

  @Column('text')
  answer!: string;
}

export const ENTITIES = [StoreState, StoredRow, StoredIndexEntry, StoredMessage, StoredAnswer];
