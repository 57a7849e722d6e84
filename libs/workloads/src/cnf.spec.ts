import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AppError } from '@outboard/core';
import type { WantedWorkload } from './index.js';
import { WorkloadLab } from './testing/index.js';

let lab: WorkloadLab;
let wanted: WantedWorkload;

beforeAll(async () => {
  lab = new WorkloadLab();
  wanted = lab.cnf();
  lab.host.want(wanted.uid, wanted);
  await lab.until(wanted.uid, ({ interfaces, ready }) => ready && interfaces.length === 1);
}, 20_000);
afterAll(() => lab.close());

const call = async (method: string, body: object = {}, name = 'echo') => {
  const answer = await lab.host.call(wanted.uid, name, method, Buffer.from(JSON.stringify(body)));
  if (answer.ok) return JSON.parse(Buffer.from(answer.value).toString());
  const { code, reason, message, violations } = answer.error;
  return { code, reason, message, violations };
};

describe('what a CNF publishes', () => {
  it('is told with its version, methods and schemas', () => {
    const [published] = lab.host.summary(wanted.uid)?.interfaces ?? [];
    expect(published?.description).toMatchObject({ name: 'echo', version: '1.0.0' });
    expect(published?.description.configuration?.document).toMatchObject({ type: 'object' });
    expect(published?.yangCheck).toMatch(/^(VALID|UNCHECKED: yanglint is not installed on this DPU)$/);
  });

  it('can be called', async () => {
    expect(await call('say', { text: 'hello' })).toEqual({ text: 'hello' });
  });

  it('is called only as its schema says', async () => {
    expect(await call('say', { text: 1 })).toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'text', description: 'must be string' }],
    });
    expect(await call('sing')).toMatchObject({ code: 'NOT_FOUND', reason: 'UNKNOWN_METHOD' });
    expect(await call('say', {}, 'other')).toMatchObject({ code: 'NOT_FOUND', reason: 'UNKNOWN_INTERFACE' });
  });

  it.each([
    ['breaks its own schema', 'lie', { code: 'INTERNAL', reason: 'CNF_BROKE_SCHEMA' }],
    [
      'answers with more than there may be',
      'flood',
      { code: 'RESOURCE_EXHAUSTED', reason: 'CNF_DOES_NOT_ANSWER' },
    ],
    ['refuses', 'fail', { code: 'ABORTED', reason: 'CNF_REFUSED', message: 'cnf: not now' }],
  ])('one that %s is told as that', async (_, method, refusal) => {
    expect(await call(method)).toMatchObject(refusal);
  });
});

describe('the configuration of an interface', () => {
  const configuration = (level: unknown, generation: number) => ({
    uid: 'c1',
    generation,
    workloadUid: wanted.uid,
    interface: 'echo',
    configuration: { level } as never,
  });
  const settled = (generation: number) =>
    lab.until(
      wanted.uid,
      ({ configurations: [view] }) => view?.generation === generation && view.state !== 'PENDING',
    );

  it('is given to the CNF, and given again to one that was started again', async () => {
    lab.host.configure('c1', configuration(3, 1));
    expect((await settled(1)).configurations).toMatchObject([
      { state: 'APPLIED', appliedGeneration: 1, interfaceVersion: '1.0.0' },
    ]);
    expect(await call('configuration')).toEqual({ configuration: { level: 3 } });
    await call('crash');
    await lab.until(wanted.uid, ({ state, interfaces }) => state === 'BACKOFF' && interfaces.length === 0);
    expect(await call('say')).toMatchObject({ code: 'UNAVAILABLE', reason: 'CNF_NOT_RUNNING' });
    await settled(1);
    expect(await call('configuration')).toEqual({ configuration: { level: 3 } });
    expect(lab.host.summary(wanted.uid)).toMatchObject({
      restarts: 1,
      lastTermination: { reason: 'ERROR', exitCode: 3 },
    });
  }, 20_000);

  it('is refused by the CNF or its schema, and the one before stays', async () => {
    lab.host.configure('c1', configuration(7, 2));
    expect((await settled(2)).configurations).toMatchObject([
      { state: 'REFUSED', appliedGeneration: 1, message: 'cnf: seven is taken: level must not be 7' },
    ]);
    lab.host.configure('c1', configuration(11, 3));
    expect((await settled(3)).configurations).toMatchObject([
      { state: 'REFUSED', message: '1 problem: spec.configuration.level must be <= 10' },
    ]);
    expect(await call('configuration')).toEqual({ configuration: { level: 3 } });
  });

  it('can be tried without being taken', async () => {
    const uid = wanted.uid;
    expect(await lab.host.tryConfiguration(uid, 'echo', { level: 5 })).toBeUndefined();
    expect(await lab.host.tryConfiguration(uid, 'echo', { level: 7 })).toBeInstanceOf(AppError);
    expect(await call('configuration')).toEqual({ configuration: { level: 3 } });
  });
});
