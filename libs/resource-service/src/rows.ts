import type { Key, NewRow, Row, Snapshot } from '@outboard/store';
import type { DomainChange } from './domain.js';
import type { Origin } from './origins.js';

/** What a row holds: the domain's record, and the last command that it obeyed. */
export interface StoredValue {
  readonly record: unknown;
  readonly origin?: Origin;
}

export const valueIn = ({ value }: Pick<Row, 'value'>): StoredValue => JSON.parse(value) as StoredValue;

export function rowOf(
  key: Key,
  { data, indexes }: NonNullable<DomainChange['record']>,
  origin: Origin | undefined,
): NewRow {
  const value: StoredValue = { record: data, ...(origin && { origin }) };
  return { key, value: JSON.stringify(value), indexes };
}

/** The rows of a kind (of one tenant, or of all) in key order, from after a key if one is given; `chunk` at a time. */
export function* allRows(
  snapshot: Snapshot,
  kind: string,
  range: { readonly tenant?: string; readonly after?: Key } = {},
  chunk = 1_000,
): Iterable<Row> {
  let from = range;
  for (;;) {
    const page = snapshot.list(kind, { ...from, limit: chunk });
    yield* page.rows;
    if (!page.next) return;
    from = { ...range, after: page.next };
  }
}
