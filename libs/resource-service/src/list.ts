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
import { allRows, recordIn } from './rows.js';

/** A page of resources; the revision is what a watch goes on from. */
export interface ResourceList {
  readonly items: readonly ResourceJson[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
  readonly resourceVersion: string;
}

/** Rows that one request may look at: a page then ends early, with a token to go on from. */
const MAX_SCANNED = 20_000;

/** One page of a kind, in the order of tenant and name. */
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
  const range = {
    ...(tenant !== undefined && { tenant }),
    ...(position && { after: { kind: kind.kind, ...position } }),
  };
  let scanned = 0;
  for (const row of allRows(snapshot, kind.kind, range)) {
    const resource = domain.resourceOf(recordIn(row));
    if (matches(kind, selector, resource)) items.push(encodeResource(resource));
    if (items.length === request.pageSize || ++scanned === MAX_SCANNED) {
      return ok({
        items,
        nextPageToken: encodePageToken(query, row.key),
        resourceVersion: String(snapshot.revision),
      });
    }
  }
  return ok({ items, nextPageToken: '', resourceVersion: String(snapshot.revision) });
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
  if (row) return ok(encodeResource(domain.resourceOf(recordIn(row))));
  const { kind, tenant, name } = key;
  const metadata = { kind, tenant, name };
  return err(new AppError('NOT_FOUND', `no ${kind} ${tenant}/${name}`, { reason: 'NOT_FOUND', metadata }));
}
