import { AppError } from '@outboard/core';
import { JsonRpcClient } from './json-rpc.js';

/** A value of a column (RFC 7047, 5.1), sets and maps already taken apart. */
export type Row = Readonly<Record<string, unknown>>;
/** By table, then by uuid. A row that is gone has no `new`. */
export type TableUpdates = Readonly<Record<string, Readonly<Record<string, { old?: Row; new?: Row }>>>>;

export interface OvsdbListener {
  onUpdate(updates: TableUpdates): void;
  onClosed(): void;
}

/** One operation of a transaction, as in RFC 7047, 5.2. */
export type DatabaseOperation = Readonly<Record<string, unknown>>;

const DATABASE = 'Open_vSwitch';

export const uuid = (id: string): unknown => ['uuid', id];
export const named = (id: string): unknown => ['named-uuid', id];
export const setOf = (values: readonly unknown[]): unknown => ['set', values];
export const mapOf = (value: Readonly<Record<string, string>>): unknown => ['map', Object.entries(value)];

/** What is asked of ovsdb-server (RFC 7047). */
export class OvsdbClient {
  private constructor(
    private readonly rpc: JsonRpcClient,
    private readonly listener: OvsdbListener,
  ) {}

  /** Throws AppError UNAVAILABLE. */
  static async open(path: string, listener: OvsdbListener): Promise<OvsdbClient> {
    const rpc = await JsonRpcClient.open('ovsdb-server', path, {
      onMessage: (method, params) => {
        if (method === 'update') listener.onUpdate(params[1] as TableUpdates);
      },
      onClosed: () => listener.onClosed(),
    });
    return new OvsdbClient(rpc, listener);
  }

  get closed(): boolean {
    return this.rpc.closed;
  }

  /** Tells the rows of these columns that are there, by the listener, and then every change of them. */
  async monitor(columns: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const requests = Object.fromEntries(
      Object.entries(columns).map(([table, names]) => [table, [{ columns: names }]]),
    );
    this.listener.onUpdate((await this.rpc.call('monitor', [DATABASE, null, requests])) as TableUpdates);
  }

  /**
   * All operations or none; one result each. What it changed is told to the listener before.
   * Throws AppError: UNAVAILABLE, FAILED_PRECONDITION with what the database refused.
   */
  async transact(operations: readonly DatabaseOperation[]): Promise<readonly Row[]> {
    const results = (await this.rpc.call('transact', [DATABASE, ...operations])) as readonly (Row | null)[];
    for (const result of results) {
      if (result?.error === undefined) continue;
      const message = `${String(result.error)}: ${String(result.details ?? '')}`;
      throw new AppError('FAILED_PRECONDITION', message);
    }
    return results.map((result) => result ?? {});
  }

  close(): void {
    this.rpc.close();
  }
}

/** The elements of a set, also of one that is written as its only element. */
export function elementsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value) && value[0] === 'set') return value[1] as unknown[];
  return value === undefined || value === null ? [] : [value];
}

export function entriesOf(value: unknown): Readonly<Record<string, string>> {
  if (!Array.isArray(value) || value[0] !== 'map') return {};
  return Object.fromEntries(value[1] as [string, string][]);
}

export const uuidsOf = (value: unknown): string[] =>
  elementsOf(value).flatMap((each) => (Array.isArray(each) && each[0] === 'uuid' ? [String(each[1])] : []));
