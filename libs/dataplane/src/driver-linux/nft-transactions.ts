import { release } from 'node:os';
import {
  type BatchFailure,
  destroy,
  isRemoval,
  type Message,
  NetlinkError,
  NFPROTO,
} from '@outboard/netlink';
import type { OperationResult } from '../driver.js';
import { groupBy } from '../group-by.js';
import { AGAIN, DONE } from '../handlers.js';
import { resultOfFailure, resultOfThrown } from '../kernel/batch.js';
import type { Place } from '../kernel/place.js';
import { GUARD_TABLE } from '../realise/guard-table.js';
import { POLICY_TABLE } from '../realise/policy-table.js';
import { BRIDGE_PORT_SETS } from '../realise/port-sets.js';
import type { DeleteOperation, Handler, PutOperation } from './handler.js';
import type { Places } from './places.js';

/** Messages of one transaction, about: far below what one can carry, and short enough to let others in between. */
const MESSAGES_PER_TRANSACTION = 1000;

/** What an operation comes to: messages that succeed or fail together. */
export interface Change {
  readonly namespace: string;
  readonly messages: readonly Message[];
  /** What becomes of it when the namespace is not there. */
  readonly withoutPlace: OperationResult;
  readonly failureOf?: (failure: BatchFailure) => OperationResult;
  /** Of a removal: what is done as long as the kernel refuses it, because something else still names the object. */
  readonly whileNamed?: readonly Message[];
}

/** One sort of objects of nftables, and what it takes to make and to remove one. */
export interface TransactionHandler extends Pick<Handler, 'observe'> {
  putChange(operation: PutOperation): Change;
  removeChange(operation: DeleteOperation): Change;
}

/** Where a set of ports or policies is, and without one chains and counters. */
export const policyTable = (set = ''): { readonly nfgenFamily: number; readonly table: string } =>
  BRIDGE_PORT_SETS.has(set)
    ? { nfgenFamily: NFPROTO.BRIDGE, table: GUARD_TABLE }
    : { nfgenFamily: NFPROTO.INET, table: POLICY_TABLE };

/** What a look at something finds; undefined: it is not there, or what it is in. */
export async function ifThere<Found>(look: () => Promise<Found>): Promise<Found | undefined> {
  try {
    return await look();
  } catch (failure) {
    if (failure instanceof NetlinkError && failure.code === 'ENOENT') return undefined;
    throw failure;
  }
}

/** Whether a kernel of that release has removals that do not mind absence (NFT_MSG_DESTROY*, since 6.3). */
export function hasDestroy(kernelRelease: string): boolean {
  const [major = 0, minor = 0] = kernelRelease.split('.').map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 3);
}

const KERNEL_HAS_DESTROY = hasDestroy(release());

/**
 * A removal of what may not be there. Where the kernel minds absence the transaction is tried again without it, which is
 * right but slow: a transaction that fails waits until no packet sees its traces any more (10 ms and more).
 */
export const removalIfThere = (removal: Message): Message =>
  KERNEL_HAS_DESTROY ? destroy(removal) : removal;

/** Carries out changes of nftables, those of a namespace in as few transactions as they fit in; one result per change. */
export async function carryOut(places: Places, changes: readonly Change[]): Promise<OperationResult[]> {
  const results = new Map<Change, OperationResult>();
  const byPlace = groupBy(changes, (change) => {
    const place = places.router(change.namespace);
    if (place === undefined) results.set(change, change.withoutPlace);
    return place;
  });
  for (const [place, own] of byPlace) {
    let failed = false;
    for (const part of parts(own)) {
      if (failed) for (const change of part) results.set(change, AGAIN);
      else failed = !(await transact(place, part, results));
    }
  }
  return changes.map((change) => results.get(change) ?? DONE);
}

function* parts(changes: readonly Change[]): Generator<readonly Change[]> {
  let part: Change[] = [];
  let size = 0;
  for (const change of changes) {
    if (part.length > 0 && size + change.messages.length > MESSAGES_PER_TRANSACTION) {
      yield part;
      part = [];
      size = 0;
    }
    part.push(change);
    size += change.messages.length;
  }
  if (part.length > 0) yield part;
}

/** What is still named by something else and cannot be removed does no harm. */
async function disarm(place: Place, refused: readonly { readonly change: Change }[]): Promise<void> {
  const messages = refused.flatMap(({ change }) => change.whileNamed ?? []);
  if (messages.length === 0) return;
  try {
    await place.netfilter.transaction(messages);
  } catch {
    // The removal has failed, which is told, and is tried again.
  }
}

/**
 * A transaction is all or nothing: if something fails, everything else is to be tried again. A removal of what is not there is
 * left out on its own: kernels before 6.3 know no removal that does not mind (NFT_MSG_DESTROY*). False: nothing was done.
 */
async function transact(
  place: Place,
  changes: readonly Change[],
  results: Map<Change, OperationResult>,
): Promise<boolean> {
  let steps = changes.flatMap((change) => change.messages.map((message) => ({ change, message })));
  while (steps.length > 0) {
    let failures: readonly BatchFailure[];
    try {
      ({ failures } = await place.netfilter.transaction(steps.map(({ message }) => message)));
    } catch (failure) {
      for (const change of changes) results.set(change, resultOfThrown(failure));
      return false;
    }
    if (failures.length === 0) return true;
    const idle = new Set<number>();
    for (const failure of failures) {
      const step = steps[failure.index];
      if (step === undefined) continue;
      if (failure.code === 'ENOENT' && isRemoval(step.message)) idle.add(failure.index);
      else results.set(step.change, step.change.failureOf?.(failure) ?? resultOfFailure(failure));
    }
    if (failures.length > idle.size) {
      await disarm(
        place,
        failures.flatMap((failure) => (failure.code === 'EBUSY' && steps[failure.index]) || []),
      );
      for (const change of changes) if (!results.has(change)) results.set(change, AGAIN);
      return false;
    }
    steps = steps.filter((_, position) => !idle.has(position));
  }
  return true;
}
