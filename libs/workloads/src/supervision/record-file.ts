import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isJsonObject } from '../json.js';
import { NEW_RECORD, type WorkloadRecord } from './restart.js';

/** The record of a workload; a new one, where there is none that can be read. */
export async function readRecord(path: string): Promise<WorkloadRecord> {
  try {
    const json: unknown = JSON.parse(await readFile(path, 'utf8'));
    return isJsonObject(json) ? { ...NEW_RECORD, ...(json as Partial<WorkloadRecord>) } : NEW_RECORD;
  } catch {
    return NEW_RECORD;
  }
}

/** As a whole or not at all. Not synced: after a loss of power nothing runs that it could speak of. */
export async function writeRecord(path: string, record: WorkloadRecord): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
}
