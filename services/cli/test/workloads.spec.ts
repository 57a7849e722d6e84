import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CnfRequestSchema,
  CnfResponseSchema,
  decodeBinary,
  encodeBinary,
  LogsRequestSchema,
  LogsResponseSchema,
  subjects,
  WorkloadReportSchema,
} from '@outboard/contracts';
import { ok, unwrap } from '@outboard/core';
import { World } from './world.js';

const MANIFEST = {
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Workload',
  metadata: { tenant: 'acme', name: 'firewall' },
  spec: { command: ['/usr/bin/firewall'] },
};
const LINES = ['one', 'two', 'three'].map((text) => ({
  time: '2026-11-27T00:00:00Z',
  stream: 'stdout',
  text,
}));

let world: World;
let interrupt: () => void = () => {};

/** The worker of dpu-1, with a CNF. */
async function serveWorkload(uid: string): Promise<void> {
  const bus = world.connect();
  const tell = async (report: MessageInitShape<typeof WorkloadReportSchema>): Promise<void> => {
    const body = encodeBinary(WorkloadReportSchema, create(WorkloadReportSchema, report));
    const subject = subjects.dpu('dpu-1', 'workload', 'admin');
    unwrap(await bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 5_000 }));
  };
  const endpoint = (name: 'logs' | 'cnf', answer: (body: Uint8Array) => Uint8Array) => ({
    name,
    subject: subjects.dpu('dpu-1', name, 'admin'),
    handle: async ({ body }: { readonly body: Uint8Array }) => ok({ headers: {}, body: answer(body) }),
  });
  await bus.serve({
    name: 'workload-host',
    version: '1.0.0',
    description: 'a worker',
    maxInFlight: 10,
    endpoints: [
      endpoint('logs', (body) => {
        const { cursor, tail } = unwrap(decodeBinary(LogsRequestSchema, body));
        // What is followed ends when the user has had enough.
        if (cursor === '2') interrupt();
        const lines = cursor === '' ? LINES.slice(0, 2).slice(-tail) : cursor === '1' ? LINES.slice(2) : [];
        const response = { lines, cursor: cursor === '' ? '1' : '2' };
        return encodeBinary(LogsResponseSchema, create(LogsResponseSchema, response));
      }),
      endpoint('cnf', (body) => {
        const { operation, body: text } = unwrap(decodeBinary(CnfRequestSchema, body));
        const called = { method: operation.value, argument: JSON.parse(Buffer.from(text).toString()) };
        const response = { body: Buffer.from(JSON.stringify(called)) };
        return encodeBinary(CnfResponseSchema, create(CnfResponseSchema, response));
      }),
    ],
  });
  await tell({
    uid,
    generation: 1,
    state: 'RUNNING',
    ready: true,
    interfaces: [
      { name: 'rules', version: '1.2.0', methods: [{ name: 'count' }], configuration: { type: 'object' } },
    ],
  });
}

beforeAll(async () => {
  world = await World.open();
  await world.registerDpu(1);
});
afterAll(async () => world[Symbol.asyncDispose]());

describe('outboard logs and cnf', () => {
  it('of what is not there say so', async () => {
    for (const line of ['logs nobody -t acme', 'cnf call nobody rules count -t acme'])
      expect(await world.outboard(line)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('workload acme/nobody does not exist'),
      });
    expect(await world.outboard('cnf interfaces -t acme')).toMatchObject({
      stderr: 'nothing is published\n',
    });
    for (const line of ['logs x -t acme --tail 0', 'cnf list -t acme', 'cnf call x -t acme', 'logs x'])
      expect(await world.outboard(line)).toMatchObject({ exitCode: 2 });
  });

  it('show what a workload says, what it publishes, and what its methods answer', async () => {
    await world.outboard('apply -f -', { input: JSON.stringify(MANIFEST) });
    const { stdout } = await world.outboard('get workload firewall -t acme -o json');
    await serveWorkload(JSON.parse(stdout).metadata.uid);
    expect((await world.outboard('logs firewall -t acme --tail 1')).stdout).toBe('two\n');
    const following = world.outboard('logs firewall -t acme -f');
    interrupt = () => following.interrupt();
    expect((await following).stdout).toBe('one\ntwo\nthree\n');
    const table = (await world.outboard('cnf interfaces -t acme')).stdout.split('\n')[1]?.split(/ {2,}/);
    expect(table).toEqual(['firewall', 'rules', '1.2.0', 'count', 'yes']);
    const answer = await world.outboard([
      'cnf',
      'call',
      'firewall',
      'rules',
      'count',
      '{"of":1}',
      '-t',
      'acme',
    ]);
    expect(JSON.parse(answer.stdout)).toEqual({ method: 'count', argument: { of: 1 } });
    const missing = await world.outboard('cnf call firewall other count -t acme');
    expect(missing.stderr).toContain('cnf acme/firewall does not publish other now');
  });
});
