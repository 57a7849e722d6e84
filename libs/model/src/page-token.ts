import { createHash } from 'node:crypto';
import { err, ok, type Result } from '@outboard/core';

/** What a list is asked for: a token is good for the very same question only. */
export interface ListQuery {
  readonly kind: string;
  /** Undefined: of all tenants. */
  readonly tenant: string | undefined;
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

/** The last resource of a page; the next page starts after it. */
export interface ListPosition {
  readonly tenant: string;
  readonly name: string;
}

const RULE = 'must be a page token of this list, as it was given';

const TOKEN = /^([A-Za-z0-9_-]{11})\.(_|[a-z0-9-]{1,63})\.([a-z0-9-]{1,63})$/;

/** Opaque to callers: a fingerprint of the question, and the position. */
export const encodePageToken = (query: ListQuery, { tenant, name }: ListPosition): string =>
  `${fingerprint(query)}.${tenant}.${name}`;

export function decodePageToken(query: ListQuery, token: string): Result<ListPosition, string> {
  const [, print, tenant, name] = TOKEN.exec(token) ?? [];
  if (print !== fingerprint(query) || tenant === undefined || name === undefined) return err(RULE);
  return ok({ tenant, name });
}

/** 64 bits: against mistakes, not against forgers, who could only name a position that they may list anyhow. */
function fingerprint({ kind, tenant, labelSelector, fieldSelector }: ListQuery): string {
  const text = JSON.stringify([kind, tenant ?? null, labelSelector, fieldSelector]);
  return createHash('sha256').update(text).digest().subarray(0, 8).toString('base64url');
}
