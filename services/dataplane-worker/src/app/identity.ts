import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '@outboard/service-shell/process';
import { isMissing, replaceFile } from '@outboard/service-shell/process';

/** What this DPU is and what runs on it. */
export interface WorkerIdentity {
  /** Name of the Dpu resource. */
  readonly dpu: string;
  readonly serialNumber: string;
  /** Name of the host that it is plugged into; empty if unknown. */
  readonly host: string;
  /** Of the first physical function, as the host sees it; empty: what the driver finds. */
  readonly pfMacAddress: string;
  /** Of a boot of this DPU: another one means that everything which was in the kernel is gone. */
  readonly incarnation: string;
  readonly workerVersion: string;
  readonly kernelRelease: string;
  /** As uname(2) spells the machine: `x86_64`, `aarch64`. */
  readonly architecture: string;
}

/** Where the documents of this DPU lie within its data directory. */
export const documentsOf = (dataDirectory: string): string => join(dataDirectory, 'documents');

/**
 * Writes down whose data directory this is. One that belonged to another DPU (a copied image, a card in another slot)
 * keeps nothing for this one: its documents are put aside. Returns what the last run knew of this DPU.
 */
export async function claimDataDirectory(
  dataDirectory: string,
  { dpu, serialNumber, incarnation }: WorkerIdentity,
  log: Log,
): Promise<{ readonly isFirstRun: boolean; readonly rebooted: boolean }> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const path = join(dataDirectory, 'identity.json');
  const last = await read(path, log);
  const isOurs = last?.dpu === dpu && last.serialNumber === serialNumber;
  if (last !== undefined && !isOurs) {
    log.warn(
      { last, dpu, serialNumber },
      'the data directory belonged to another DPU: its documents are put aside',
    );
  }
  if (!isOurs) await putAside(documentsOf(dataDirectory));
  const known = Buffer.from(`${JSON.stringify({ dpu, serialNumber, incarnation })}\n`);
  if (!isOurs) await replaceFile(path, [known]);
  else if (last.incarnation !== incarnation) {
    try {
      await replaceFile(path, [known]);
    } catch (failure) {
      // A DPU whose disk is full has to work after a reboot, too; it takes the next start for one as well.
      log.error({ path, err: failure }, 'this boot could not be written down');
    }
  }
  return { isFirstRun: !isOurs, rebooted: isOurs && last.incarnation !== incarnation };
}

async function read(path: string, log: Log): Promise<Partial<WorkerIdentity> | undefined> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch (failure) {
    if (isMissing(failure)) return undefined;
    log.error({ path, err: failure }, 'the identity on disk cannot be read');
    return {};
  }
}

/** Kept for a look, until the next time. */
async function putAside(directory: string): Promise<void> {
  await rm(`${directory}.unusable`, { recursive: true, force: true });
  try {
    await rename(directory, `${directory}.unusable`);
  } catch (failure) {
    if (!isMissing(failure)) throw failure;
  }
}
