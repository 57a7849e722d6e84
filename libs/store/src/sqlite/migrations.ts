import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A backup from before the upgrade is the way back: it has the data that the older version knew. */
async function noWayBack(): Promise<never> {
  throw new Error('a store only migrates forward: restore a backup that was taken before the upgrade');
}

class RowsAndOutbox implements MigrationInterface {
  readonly name = 'RowsAndOutbox1795219200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "store_state" (
        "id" integer PRIMARY KEY NOT NULL,
        "epoch" text NOT NULL,
        "revision" integer NOT NULL,
        "outbox_sequence" integer NOT NULL,
        "unflushed_since_boot" text
      )`);
    await runner.query(`
      CREATE TABLE "stored_row" (
        "id" integer PRIMARY KEY NOT NULL,
        "kind" text NOT NULL,
        "tenant" text NOT NULL,
        "name" text NOT NULL,
        "revision" integer NOT NULL,
        "value" text NOT NULL,
        "indexes" text NOT NULL
      )`);
    await runner.query(`CREATE UNIQUE INDEX "stored_row_key" ON "stored_row" ("kind", "tenant", "name")`);
    await runner.query(`
      CREATE TABLE "index_entry" (
        "index_name" text NOT NULL,
        "value" text NOT NULL,
        "kind" text NOT NULL,
        "tenant" text NOT NULL,
        "name" text NOT NULL,
        "is_unique" integer NOT NULL,
        PRIMARY KEY ("index_name", "value", "kind", "tenant", "name")
      ) WITHOUT ROWID`);
    await runner.query(
      `CREATE UNIQUE INDEX "index_entry_unique" ON "index_entry" ("index_name", "value") WHERE "is_unique" = 1`,
    );
    await runner.query(`
      CREATE TABLE "outbox_message" (
        "sequence" integer PRIMARY KEY NOT NULL,
        "message_id" text NOT NULL,
        "subject" text NOT NULL,
        "headers" text NOT NULL,
        "body" blob NOT NULL
      )`);
  }

  down = noWayBack;
}

class RememberedAnswers implements MigrationInterface {
  readonly name = 'RememberedAnswers1795305600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "remembered_answer" (
        "revision" integer NOT NULL,
        "message_id" text NOT NULL,
        "fingerprint" text NOT NULL,
        "answer" text NOT NULL,
        PRIMARY KEY ("revision", "message_id")
      ) WITHOUT ROWID`);
    await runner.query(
      `CREATE UNIQUE INDEX "remembered_answer_message_id" ON "remembered_answer" ("message_id")`,
    );
  }

  down = noWayBack;
}

/**
 * The writer looks for the holder of a unique entry before it writes one, by the primary key. A second tree that checks
 * the same was a tenth of what a commit writes.
 */
class OneTreeOfIndexEntries implements MigrationInterface {
  readonly name = 'OneTreeOfIndexEntries1795737600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX "index_entry_unique"');
  }

  down = noWayBack;
}

/**
 * A row of a table without rowid that is longer than a quarter of a page lies in pages of its own (its key stays in the
 * tree): answers had one each. In a table with rowid they lie side by side, in the order in which they were given.
 */
class AnswersSideBySide implements MigrationInterface {
  readonly name = 'AnswersSideBySide1795824000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE "given_answer" (
        "id" integer PRIMARY KEY NOT NULL,
        "revision" integer NOT NULL,
        "message_id" text NOT NULL,
        "fingerprint" text NOT NULL,
        "answer" text NOT NULL
      )`);
    await runner.query(`
      INSERT INTO "given_answer" ("revision", "message_id", "fingerprint", "answer")
      SELECT "revision", "message_id", "fingerprint", "answer" FROM "remembered_answer"
      ORDER BY "revision", "message_id"`);
    await runner.query('DROP TABLE "remembered_answer"');
    await runner.query('ALTER TABLE "given_answer" RENAME TO "remembered_answer"');
    await runner.query(
      `CREATE UNIQUE INDEX "remembered_answer_message_id" ON "remembered_answer" ("message_id")`,
    );
  }

  down = noWayBack;
}

/** Oldest first. A migration that has been released is never changed, only followed by another. */
export const MIGRATIONS = [RowsAndOutbox, RememberedAnswers, OneTreeOfIndexEntries, AnswersSideBySide];

export const MIGRATION_TABLE = 'schema_migration';
