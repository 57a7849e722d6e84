import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSession, importKey } from '@outboard/acceleration-client/orchestrator';
import { LocalStack, type Workspace } from '@outboard/local-stack';
import { waitUntil } from '@outboard/testbed';
import { processesWith, readyOf, WorkloadSite } from './workload-site.js';

const DPU = { name: 'dpu-1', serialNumber: 'OB-WA-1', pfMacAddress: '02:0b:00:00:01:00', functions: 1 };
/** The CNF uses the TypeScript client as it is in this repository. */
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
/** A worker starts, adopts and opens its keys meanwhile, on a machine that does other things. */
const SERVED_WITHIN_MILLISECONDS = 40_000;
const TEXT = 'the same again and again, '.repeat(4_000);

describe('a workload that names an acceleration session', () => {
  let stack: LocalStack;
  let site: WorkloadSite;
  let acme: Workspace;

  beforeAll(async () => {
    stack = await LocalStack.start({
      name: 'wl-acc',
      dpus: [DPU],
      acceleration: true,
      workloadDirectories: [REPOSITORY],
      leaseMilliseconds: 3_000,
    });
    site = await WorkloadSite.open(stack);
    acme = await stack.workspace('acme');
  }, 90_000);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  }, 60_000);

  const seals = () => site.call('sealer', 'sealing', 'seal', { text: TEXT });

  it('waits for the session, and then has its data compressed and encrypted by the DPU', async () => {
    await site.apply('Workload', 'sealer', {
      command: [process.execPath, `${REPOSITORY}/test/admin/sealing-cnf.mjs`],
      dpu: DPU.name,
      resources: { memoryMebibytes: 256 },
      terminationGraceSeconds: 1,
      accelerationSessions: ['sealing'],
    });
    const waiting = await site.until('waits', 'sealer', (each) => readyOf(each).message.includes('sealing'));
    expect(readyOf(waiting)).toMatchObject({ status: 'False', reason: 'Starting' });
    await importKey(() => stack.dpus(), acme, { name: 'key', secret: Buffer.alloc(32, 3), dpus: [DPU.name] });
    const encryption = { algorithm: 'AES_256_GCM', key: 'key' };
    await createSession(acme, 'sealing', {
      dpu: DPU.name,
      programs: [
        {
          id: 1,
          steps: [
            { operation: 'COMPRESS', algorithm: 'ZSTD' },
            { operation: 'ENCRYPT', ...encryption },
          ],
        },
        {
          id: 2,
          steps: [
            { operation: 'DECRYPT', ...encryption },
            { operation: 'DECOMPRESS', algorithm: 'ZSTD' },
          ],
        },
      ],
    });
    await site.ready('sealer', ({ status: { interfaces } }) => interfaces.length === 1);
    const said = (await seals()) as { given: number; sealed: number };
    expect(said).toMatchObject({ given: TEXT.length, isSame: true });
    expect(said.sealed).toBeLessThan(said.given / 10);
  }, 60_000);

  it('goes on with it after its worker, which serves the session, was killed', async () => {
    const before = processesWith('OUTBOARD_WORKLOAD=sealer');
    await stack.stack.kill(`dataplane-worker/${DPU.name}`);
    await stack.stack.restart(`dataplane-worker/${DPU.name}`);
    const sealsAgain = async () => {
      const said = await seals();
      return (said as { isSame?: boolean }).isSame === true ? undefined : JSON.stringify(said);
    };
    await waitUntil('it seals again', sealsAgain, SERVED_WITHIN_MILLISECONDS);
    expect(processesWith('OUTBOARD_WORKLOAD=sealer')).toEqual(before);
  }, 60_000);
});
