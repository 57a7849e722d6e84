import type { Key, NewRow, Row, Snapshot } from '@outboard/store';
import type { DomainChange } from './domain.js';

/** What a row holds: the domain's record, and the last intent that it obeyed. */
interface StoredValue {
  readonly record: unknown;
  /** Stream sequence of the last intent on this key. */
  readonly intentSequence?: number;
}

/** Rows that are read at a time. */
const CHUNK = 1_000;

export const recordIn = (row: Row): unknown => (JSON.parse(row.value) as StoredValue).record;

export const intentSequenceIn = (row: Row): number | undefined =>
  (JSON.parse(row.value) as StoredValue).intentSequence;

export function rowOf(
  key: Key,
  { data, indexes }: NonNullable<DomainChange['record']>,
  intentSequence: number | undefined,
): NewRow {
  const value: StoredValue = { record: data, ...(intentSequence !== undefined && { intentSequence }) };
  return { key, value: JSON.stringify(value), indexes };
}

/** The rows of a kind (of one tenant, or of all) in key order, from after a key if one is given. */
export function* allRows(
  snapshot: Snapshot,
  kind: string,
  range: { readonly tenant?: string; readonly after?: Key } = {},
): Iterable<Row> {
  let from = range;
  for (;;) {
    const page = snapshot.list(kind, { ...from, limit: CHUNK });
    yield* page.rows;
    if (!page.next) return;
    from = { ...range, after: page.next };
  }
}

/** Labels contain no slash, so that the text names one key. */
export const keyText = ({ kind, tenant, name }: Key): string => `${kind}/${tenant}/${name}`;
