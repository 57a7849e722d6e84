import { AppError } from '@outboard/core';
import type { DpuFunction, Metadata, Uid } from '@outboard/model';

/** What must hold for a change, as its caller sees it. */
export interface Preconditions {
  readonly resourceVersion?: string | undefined;
  readonly uid?: Uid | undefined;
}

/** `create`: must not exist yet; `update`: must exist; undefined: either. */
export type Existence = 'create' | 'update' | undefined;

/** Users that are named in a refusal; the total is always told. */
const LISTED_USERS = 10;

/** Whether the resource that is there (`found` undefined: none) is the one that the caller means. */
export function checkPreconditions(
  what: string,
  found: { readonly metadata: Metadata } | undefined,
  { resourceVersion, uid }: Preconditions,
  existence: Existence,
): AppError | undefined {
  if (existence === 'create' && found) {
    return new AppError('ALREADY_EXISTS', `${what} exists already`, { reason: 'EXISTS' });
  }
  if (existence === 'update' && !found) return notFound(what);
  if (resourceVersion !== undefined && resourceVersion !== found?.metadata.resourceVersion) {
    const is = found ? `it is at ${found.metadata.resourceVersion}` : 'it does not exist';
    return new AppError('ABORTED', `${what} is not at resource version ${resourceVersion}: ${is}`, {
      reason: 'STALE',
    });
  }
  if (uid !== undefined && uid !== found?.metadata.uid) {
    const is = found ? `it is ${found.metadata.uid}` : 'it does not exist';
    return new AppError('ABORTED', `${what} is not ${uid}: ${is}`, { reason: 'UID_MISMATCH' });
  }
  return undefined;
}

export const notFound = (what: string): AppError =>
  new AppError('NOT_FOUND', `${what} does not exist`, { reason: 'NOT_FOUND' });

/** Who has bound these functions: `port acme/web-0`. */
export const namesOfClaims = (functions: readonly DpuFunction[]): readonly string[] =>
  functions.flatMap(({ status: { claim } }) =>
    claim ? [`${claim.kind.toLowerCase()} ${claim.tenant}/${claim.name}`] : [],
  );

/** Why something cannot be deleted while these functions are claimed. */
export function inUse(what: string, claimed: readonly DpuFunction[]): AppError {
  const users = namesOfClaims(claimed);
  const named = users.slice(0, LISTED_USERS);
  const rest = users.length - named.length;
  const list = rest > 0 ? `${named.join(', ')} and ${rest} more` : named.join(', ');
  return new AppError('FAILED_PRECONDITION', `${what} is in use by ${users.length}: ${list}`, {
    reason: 'IN_USE',
    metadata: { total: `${users.length}`, users: named.join(', ') },
  });
}

export const serialNumberTaken = (holder: string): AppError =>
  new AppError('ALREADY_EXISTS', `dpu ${holder} has this serial number`, {
    reason: 'SERIAL_NUMBER_TAKEN',
    metadata: { holder },
  });

/** What a worker of a DPU that is retired is told. */
export const retiredDpu = (dpu: string): AppError =>
  new AppError('FAILED_PRECONDITION', `dpu ${dpu} is retired: it gets nothing any more`, {
    reason: 'DPU_RETIRED',
  });
