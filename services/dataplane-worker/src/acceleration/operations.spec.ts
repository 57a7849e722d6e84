import { create } from '@bufbuild/protobuf';
import { expect, it } from '@jest/globals';
import type { DataPathActivity, Fault } from '@outboard/acceleration';
import type { Received } from '@outboard/bus';
import {
  AccelerationFault_Kind,
  AccelerationFaultRequestSchema,
  AccelerationFaultResponseSchema,
  AccelerationStatisticsRequestSchema,
  AccelerationStatisticsResponseSchema,
  AccelerationStep_Operation,
  decodeBinary,
  encodeBinary,
  subjects,
} from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import { AccelerationOperations } from './operations.js';

const counters = {
  completedJobs: 7,
  failedJobs: 1,
  inputBytes: 700,
  outputBytes: 0,
  engineNanoseconds: 12_600,
  latency: [8],
};
const sessionOf = (sessionUid: string) => ({
  sessionUid,
  epoch: 2,
  weight: 3,
  connections: 1,
  queuedJobs: 4,
  counters,
});
const sha256 = { operation: 'GENERATE', algorithm: 'SHA_256', module: 'isal' } as const;
const ACTIVITY: DataPathActivity = {
  threads: [
    { lane: 'LIGHT', index: 0, activity: { queuedJobs: 4, sessions: [sessionOf('a')], engines: [] } },
    { lane: 'HEAVY', index: 0, activity: undefined },
  ],
  engines: [
    {
      ...sha256,
      implementation: 'SOFTWARE_NATIVE',
      jobs: 7,
      failures: 1,
      inputBytes: 700,
      engineNanoseconds: 12_600,
      breaker: 'OPEN',
      opened: 1,
    },
  ],
  sessions: ['c', 'a', 'b'].map(sessionOf),
  faults: [],
};

function operationsOf(injectsFaults = true) {
  const injected: unknown[] = [];
  const operations = new AccelerationOperations({
    dpu: 'dpu-1',
    incarnation: 'first',
    injectsFaults,
    clock: new ManualClock(),
    dataPath: {
      activity: async () => ACTIVITY,
      inject: async (fault) => {
        injected.push(fault);
        return { ...fault, id: '1' };
      },
      clearFaults: async (id) => void injected.push(id),
      faults: () => [
        {
          fault: { ...sha256, id: '1', kind: 'FAIL', count: 2, interval: 1, delayMilliseconds: 0 } as Fault,
          injected: 1,
        },
      ],
    },
  });
  const ask = (channel: 'statistics' | 'faults', body: Uint8Array) => {
    const subject = subjects.dpu('dpu-1', channel, 'acceleration');
    const endpoint = operations.endpoints.find((each) => each.subject === subject);
    return endpoint?.handle({ subject, headers: {}, body } as unknown as Received) ?? Promise.reject();
  };
  const command = (fault: Record<string, unknown>) =>
    ask(
      'faults',
      encodeBinary(
        AccelerationFaultRequestSchema,
        create(AccelerationFaultRequestSchema, { command: { case: 'inject', value: fault } }),
      ),
    );
  return { ask, command, injected };
}

it('statistics have threads, engines, and sessions in pages by their uids', async () => {
  const { ask } = operationsOf();
  const page = async (after: string, pageSize: number) => {
    const request = create(AccelerationStatisticsRequestSchema, { after, pageSize });
    const { body } = unwrap(
      await ask('statistics', encodeBinary(AccelerationStatisticsRequestSchema, request)),
    );
    return unwrap(decodeBinary(AccelerationStatisticsResponseSchema, body));
  };
  const first = await page('', 2);
  expect(first).toMatchObject({
    incarnation: 'first',
    injectsFaults: true,
    more: true,
    threads: [
      { lane: 'LIGHT', answers: true, queuedJobs: 4, connections: 1 },
      { lane: 'HEAVY', answers: false, queuedJobs: 0, connections: 0 },
    ],
    engines: [
      { module: 'isal', jobs: 7n, failures: 1n, engineMicroseconds: 13n, skipped: true, skippedTimes: 1 },
    ],
    sessions: [{ sessionUid: 'a', weight: 3, queuedJobs: 4 }, { sessionUid: 'b' }],
  });
  expect(await page('b', 2)).toMatchObject({ more: false, sessions: [{ sessionUid: 'c' }] });
});

it('a fault is injected as it is asked for, and cleared by its id or with all others', async () => {
  const { ask, command, injected } = operationsOf();
  const { FAIL } = AccelerationFault_Kind;
  const { body } = unwrap(
    await command({
      kind: FAIL,
      operation: AccelerationStep_Operation.GENERATE,
      algorithm: 'SHA_256',
      count: 2,
    }),
  );
  expect(unwrap(decodeBinary(AccelerationFaultResponseSchema, body)).faults).toMatchObject([
    { id: '1', injected: 1, fault: { kind: FAIL, algorithm: 'SHA_256' } },
  ]);
  for (const id of ['1', '']) {
    const clear = create(AccelerationFaultRequestSchema, { command: { case: 'clear', value: { id } } });
    unwrap(await ask('faults', encodeBinary(AccelerationFaultRequestSchema, clear)));
  }
  const wanted = { operation: 'GENERATE', algorithm: 'SHA_256', module: '', kind: 'FAIL', count: 2 };
  expect(injected).toEqual([{ ...wanted, interval: 1, delayMilliseconds: 0 }, '1', undefined]);
});

it('what a fault breaks is told at once, and a worker that injects none says so', async () => {
  const { command } = operationsOf();
  const refused = await command({
    operation: AccelerationStep_Operation.GENERATE,
    algorithm: 'ZSTD',
    count: 2_000_000,
    delayMilliseconds: 1,
  });
  expect(refused.ok ? [] : refused.error.violations.map(({ field }) => field)).toEqual([
    'kind',
    'operation',
    'count',
    'delayMilliseconds',
  ]);
  expect(await operationsOf(false).command({})).toMatchObject({ error: { code: 'FAILED_PRECONDITION' } });
});
