import { type AppError, err, ok, type Result } from '@outboard/core';
import { DEFAULT_ROUTER, type Intent, type RouterSpec } from '@outboard/model';
import { describe, firstUsers, inUse, nextMetadata, Refusal } from '@outboard/model/decide';
import type { Draft } from '../draft.js';
import type { NetlinkObjectEntry, NetworkEntry, RouterEntry } from '../entries.js';
import { placedIn } from '../netlink-objects/place.js';
import { keyOf } from '../records.js';
import { writeRouter } from '../settle-touched.js';

/** `entry`: of the resource, or of networks that name the tenant's default router. */
export function applyRouter(
  draft: Draft,
  intent: Intent<'Router', RouterSpec>,
  entry: RouterEntry | undefined,
): Result<void, AppError> {
  const refusal = new Refusal();
  for (const [index, { destination }] of intent.spec.routes.entries()) {
    const subnet = [...(entry?.subnets ?? [])].find(
      ({ record }) => record.resource.spec.cidr === destination,
    );
    if (!subnet) continue;
    const description = `${destination} is ${describe(subnet.record.resource)}, which is reached directly`;
    const field = `spec.routes[${index}].destination`;
    refusal.add(field, description, 'FAILED_PRECONDITION', 'ROUTE_IS_SUBNET');
  }
  if (!refusal.isEmpty) return err(refusal.toError());
  const before = entry?.record?.resource;
  const metadata = nextMetadata(intent, before, draft.context);
  writeRouter(draft, metadata, intent.spec, before?.status);
  return ok(undefined);
}

/** Refused while networks or routes name it; of the default router, which all tenants have, only what was configured goes. */
export function deleteRouter(draft: Draft, entry: RouterEntry): Result<void, AppError> {
  const { record, networks } = entry;
  if (!record) return ok(undefined);
  const routes = [...placedIn(entry)];
  const users = networks.size + routes.length;
  if (users > 0 && record.resource.metadata.name !== DEFAULT_ROUTER) {
    return err(inUse(describe(record.resource), firstUsers(usersOf([...networks, ...routes])), users));
  }
  draft.remove(keyOf(record));
  return ok(undefined);
}

function* usersOf(users: readonly (NetworkEntry | NetlinkObjectEntry)[]): Generator<string> {
  for (const { record } of users) yield describe(record.resource);
}
