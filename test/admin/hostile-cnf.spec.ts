import { statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@outboard/testbed';
import type { WantedWorkload } from '@outboard/workloads';
import { WorkloadLab } from '@outboard/workloads/testing';

let lab: WorkloadLab;
let wanted: WantedWorkload;

beforeAll(async () => {
  lab = new WorkloadLab();
  wanted = lab.cnf();
  lab.host.want(wanted.uid, wanted);
  await lab.until(wanted.uid, ({ interfaces, ready }) => ready && interfaces.length === 1);
}, 20_000);
afterAll(() => lab.close(), 20_000);

const call = async (method: string, body: object = {}) => {
  const answer = await lab.host.call(wanted.uid, 'echo', method, Buffer.from(JSON.stringify(body)));
  if (answer.ok) return JSON.parse(Buffer.from(answer.value).toString());
  return { code: answer.error.code, reason: answer.error.reason };
};

describe('a hostile CNF', () => {
  it.each([
    ['bad-schema', 'is no schema that can be used'],
    ['large', 'answered with more than 65536 bytes'],
    ['silent', 'did not answer within 2000 ms'],
  ])(
    'with %s publishes nothing, and is told why',
    async (mode, why) => {
      const hostile = lab.cnf({ MODE: mode }, { name: mode });
      lab.host.want(hostile.uid, hostile);
      const summary = await lab.until(hostile.uid, ({ interfaceProblem }) => interfaceProblem !== '');
      expect(summary.interfaceProblem).toContain(why);
      expect(summary).toMatchObject({ state: 'RUNNING', interfaces: [] });
      // The others are served as ever.
      expect(await call('say', { text: 'still here' })).toEqual({ text: 'still here' });
      lab.host.want(hostile.uid, undefined);
      await lab.gone(hostile.uid);
    },
    20_000,
  );

  it('that does not answer has no more calls waiting than it may', async () => {
    const calls = Array.from({ length: 20 }, () => call('sleep'));
    const refused = (await Promise.race([Promise.all(calls.slice(16)), Promise.all(calls)])) as {
      reason: string;
    }[];
    expect(refused.map(({ reason }) => reason)).toEqual(Array(4).fill('TOO_MANY_CALLS'));
  });

  it('that floods its log fills no more than two files of 4 MiB', async () => {
    const flood = lab.workload({ command: ['/usr/bin/yes', 'a line of a flood that never ends'] });
    lab.host.want(flood.uid, flood);
    await lab.until(flood.uid, ({ ready }) => ready);
    const directory = `${lab.directory}/workloads/${flood.uid}`;
    const sizeOf = (name: string): number =>
      statSync(`${directory}/${name}`, { throwIfNoEntry: false })?.size ?? 0;
    let most = 0;
    // Both have been begun anew.
    await waitUntil('the log was moved away', async () => {
      most = Math.max(most, sizeOf('log') + sizeOf('log.1'));
      return sizeOf('log.1') > 0 && sizeOf('log') > 1 << 20 ? undefined : 'it was not';
    });
    expect(most).toBeLessThanOrEqual(8 << 20);
    expect(await call('say', { text: 'still here' })).toEqual({ text: 'still here' });
  }, 30_000);
});
