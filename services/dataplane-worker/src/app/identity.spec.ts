import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RecordingLog } from '@outboard/testkit';
import { temporaryDirectory } from '../testing/temporary-directory.js';
import { claimDataDirectory, documentsOf, type WorkerIdentity } from './identity.js';
import { currentIncarnation } from './incarnation.js';

const IDENTITY: WorkerIdentity = {
  dpu: 'dpu-1',
  serialNumber: 'MT2113X00042',
  host: 'host-1',
  pfMacAddress: '08:c0:eb:8a:d7:8a',
  incarnation: 'first-boot',
  workerVersion: '0.1.0',
  kernelRelease: '6.18.0',
  architecture: 'x86_64',
};

describe('the data directory', () => {
  let temporary: Awaited<ReturnType<typeof temporaryDirectory>>;
  let directory: string;
  const claim = (change: Partial<WorkerIdentity> = {}, log = new RecordingLog()) =>
    claimDataDirectory(directory, { ...IDENTITY, ...change }, log);

  beforeEach(async () => {
    temporary = await temporaryDirectory();
    directory = join(temporary.path, 'data');
  });
  afterEach(async () => {
    await temporary[Symbol.asyncDispose]();
  });

  it('belongs to the DPU that used it first, and tells a reboot from a restart', async () => {
    expect(await claim()).toEqual({ isFirstRun: true, rebooted: false });
    expect(await claim()).toEqual({ isFirstRun: false, rebooted: false });
    expect(await claim({ incarnation: 'second-boot' })).toEqual({ isFirstRun: false, rebooted: true });
    expect(await claim({ incarnation: 'second-boot' })).toEqual({ isFirstRun: false, rebooted: false });
    const file = JSON.parse(await readFile(join(directory, 'identity.json'), 'utf8'));
    expect(file).toEqual({ dpu: 'dpu-1', serialNumber: 'MT2113X00042', incarnation: 'second-boot' });
  });

  it('that takes no writing does not keep a DPU from working after a reboot, and says so', async () => {
    await claim();
    // What is written beside it first has no place there.
    await mkdir(join(directory, 'identity.json.new'));
    const log = new RecordingLog();
    const reboot = { isFirstRun: false, rebooted: true };
    expect(await claim({ incarnation: 'second-boot' }, log)).toEqual(reboot);
    expect(log.at('error')).toEqual(['this boot could not be written down']);
    expect(await claim({ incarnation: 'second-boot' })).toEqual(reboot);
    await expect(claim({ serialNumber: 'MT2113X00043' })).rejects.toThrow('identity.json.new');
  });

  it.each([
    ['another name', { dpu: 'dpu-2' }],
    ['another serial number', { serialNumber: 'MT2113X00043' }],
  ])('of a DPU with %s keeps no document for this one', async (_, change) => {
    await claim(change);
    await mkdir(documentsOf(directory));
    await writeFile(join(documentsOf(directory), 'network.document'), 'theirs');
    const log = new RecordingLog();
    expect(await claim({}, log)).toEqual({ isFirstRun: true, rebooted: false });
    expect((await readdir(directory)).sort()).toEqual(['documents.unusable', 'identity.json']);
    expect(log.at('warn')).toHaveLength(1);
  });

  it('with an identity that cannot be read is claimed anew', async () => {
    await claim();
    await writeFile(join(directory, 'identity.json'), '{"dpu":');
    const log = new RecordingLog();
    expect(await claim({}, log)).toEqual({ isFirstRun: true, rebooted: false });
    expect(log.at('error')).toHaveLength(1);
  });
});

describe('the incarnation', () => {
  it('is the same as long as the network namespace is', () => {
    expect(currentIncarnation()).toMatch(/^[0-9a-f]{32}$/);
    expect(currentIncarnation()).toBe(currentIncarnation());
  });
});
