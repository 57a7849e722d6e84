import { AppError } from '@outboard/core';
import type { DpuFunction } from '@outboard/model';
import { inUse } from '@outboard/model/decide';

/** Who has bound these functions: `port acme/web-0`. */
export const namesOfClaims = (functions: readonly DpuFunction[]): readonly string[] =>
  functions.flatMap(({ status: { claim } }) =>
    claim ? [`${claim.kind.toLowerCase()} ${claim.tenant}/${claim.name}`] : [],
  );

/** Why something cannot be deleted while these functions are claimed. */
export function claimedBy(what: string, claimed: readonly DpuFunction[]): AppError {
  const users = namesOfClaims(claimed);
  return inUse(what, users, users.length);
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

/** What a worker is told that tells a change of something that is not known here. */
export const unknownInventory = (dpu: string): AppError =>
  new AppError(
    'FAILED_PRECONDITION',
    `the inventory of ${dpu} that this changes is not known here; tell all of it`,
    {
      reason: 'INVENTORY_UNKNOWN',
    },
  );
