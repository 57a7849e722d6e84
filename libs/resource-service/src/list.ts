import { MAX_BODY_BYTES } from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import {
  type AnyKind,
  decodePageToken,
  encodePageToken,
  encodeResource,
  findKind,
  matches,
  parseFieldSelector,
  parseLabelSelector,
  type ResourceJson,
  type Selector,
  SYSTEM_TENANT,
} from '@outboard/model';
import type { Key, Snapshot } from '@outboard/store';
import type { ResourceDomain } from './domain.js';
import type { ListRequest } from './request.js';
import { allRows, valueIn } from './rows.js';

/** A page of resources; the revision is what a watch goes on from. */
export interface ResourceList {
  readonly items: readonly ResourceJson[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
  readonly resourceVersion: string;
}

/** Rows that one request may look at, so that it does not hold up all others for long. */
const MAX_SCANNED = 2_000;
/** JSON of the items of one page; the rest of the answer takes a little of a message, too. */
const MAX_PAGE_BYTES = MAX_BODY_BYTES - 1024;

/**
 * One page of a kind, in the order of tenant and name. It ends early, with a token to go on from, when it has looked at
 * many rows or would not fit into a message.
 */
export function listResources(
  snapshot: Snapshot,
  domain: ResourceDomain,
  request: ListRequest,
): Result<ResourceList, AppError> {
  const tenant = request.tenant === SYSTEM_TENANT ? undefined : request.tenant;
  const query = { ...request, tenant };
  const kind = findKind(request.kind) as AnyKind;
  const parsed = parseQuery(kind, query, request);
  if (!parsed.ok) return parsed;
  const { selector, position } = parsed.value;

  const items: ResourceJson[] = [];
  const page = (next: Key | undefined): Result<ResourceList, AppError> => {
    const nextPageToken = next ? encodePageToken(query, next) : '';
    return ok({ items, nextPageToken, resourceVersion: String(snapshot.revision) });
  };
  const range = {
    ...(tenant !== undefined && { tenant }),
    ...(position && { after: { kind: kind.kind, ...position } }),
  };
  let scanned = 0;
  let bytes = 0;
  let last: Key | undefined;
  for (const row of allRows(snapshot, kind.kind, range, request.pageSize + 1)) {
    if (items.length === request.pageSize || scanned === MAX_SCANNED) return page(last);
    const resource = domain.resourceOf(valueIn(row).record);
    if (matches(kind, selector, resource)) {
      const item = encodeResource(resource);
      bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
      if (bytes > MAX_PAGE_BYTES && last) return page(last);
      items.push(item);
    }
    scanned++;
    last = row.key;
  }
  return page(undefined);
}

function parseQuery(
  kind: AnyKind,
  query: Parameters<typeof decodePageToken>[0],
  { labelSelector, fieldSelector, pageToken }: ListRequest,
): Result<{ selector: Selector; position: { tenant: string; name: string } | undefined }, AppError> {
  const problems = new Problems();
  const labels = parseLabelSelector(labelSelector);
  if (!labels.ok) problems.add('labelSelector', labels.error);
  const fields = parseFieldSelector(kind, fieldSelector);
  if (!fields.ok) problems.add('fieldSelector', fields.error);
  const position = pageToken === '' ? ok(undefined) : decodePageToken(query, pageToken);
  if (!position.ok) problems.add('pageToken', position.error);
  if (!labels.ok || !fields.ok || !position.ok) return err(problems.toError());
  return ok({ selector: { labels: labels.value, fields: fields.value }, position: position.value });
}

/** The resource of that name. */
export function getResource(
  snapshot: Snapshot,
  domain: ResourceDomain,
  key: Key,
): Result<ResourceJson, AppError> {
  const row = snapshot.get(key);
  if (row) return ok(encodeResource(domain.resourceOf(valueIn(row).record)));
  const { kind, tenant, name } = key;
  const metadata = { kind, tenant, name };
  return err(new AppError('NOT_FOUND', `no ${kind} ${tenant}/${name}`, { reason: 'NOT_FOUND', metadata }));
}
