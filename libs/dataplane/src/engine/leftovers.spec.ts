import { afterEach, describe, expect, it } from '@jest/globals';
import { systemRandom } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import { faultyDriver } from '../driver-memory/faulty-driver.js';
import { MemoryDriver } from '../driver-memory/memory-driver.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { createEngine } from './create-engine.js';

const NETWORK = [d.router(), d.bridgeDomain('net-a')];
const port = (number: number, representor = `pf0vf${number}`): d.Entry =>
  d.endpoint(`p${number}`, 'net-a', {
    macAddress: `02:00:5e:00:10:0${number}`,
    representor,
    ipAddresses: [`10.0.0.${number}`],
  });

/** The driver of the next run on a kernel in which a former one has left the port 1. */
async function afterFormerRun(): Promise<MemoryDriver> {
  const driver = new MemoryDriver({ dpu: 'dpu-1' });
  for (const number of [1, 2]) driver.kernel.plug(`pf0vf${number}`);
  const former = await EngineProbe.start(driver);
  await former.apply(d.document(1, [...NETWORK, port(1)]));
  await former[Symbol.asyncDispose]();
  return new MemoryDriver({ dpu: 'dpu-1', kernel: driver.kernel });
}

describe('the engine, of what a former run has left,', () => {
  const opened: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
  });

  it.each([
    ['at first', [d.document(2, [])]],
    ['after all, before it has begun', [d.document(1, [...NETWORK, port(1)]), d.document(2, [])]],
  ])('prunes what was left by a former run when the document is empty %s', async (_, updates) => {
    const next = await afterFormerRun();
    const engine = createEngine({
      driver: next,
      owners: ['network'],
      clock: new ManualClock(),
      random: systemRandom,
    });
    opened.push(engine, next);
    for (const update of updates) engine.submit(update);
    await engine.start();
    await engine.settled();
    const owned = (await next.observe({ kind: 'all' })).filter(({ ownership }) => ownership.kind === 'owned');
    expect(owned).toEqual([]);
  });

  it('tells nobody that a document is applied before what a former run left is gone, and tells what cannot go', async () => {
    const next = faultyDriver(await afterFormerRun());
    const probe = await EngineProbe.start(next);
    opened.push(probe, next);
    let stays = true;
    next.setFault((operation) =>
      stays && operation.action === 'delete' && operation.observed.kind === 'sender'
        ? { kind: 'failed', error: { code: 'EBUSY', message: 'it is in use' } }
        : undefined,
    );
    const leftovers = () =>
      probe.engine.inspect({
        type: '',
        after: '',
        limit: 1000,
        matches: ({ state, claims }) => state !== 'FOREIGN' && claims.length === 0,
      }).objects;
    const told: { sequence: bigint; problems: readonly string[]; leftovers: readonly string[] }[] = [];
    probe.engine.onReport(({ version: { sequence }, problems }) =>
      told.push({
        sequence,
        problems: problems.map(({ key }) => key),
        leftovers: leftovers().map(({ key }) => key),
      }),
    );
    await probe.apply(d.document(2, [...NETWORK, port(2)]));
    const senders = leftovers().map(({ key }) => key);
    expect(senders.length).toBeGreaterThan(0);
    expect(senders.every((key) => key.startsWith('sender/'))).toBe(true);
    for (const { problems, leftovers } of told)
      expect(problems).toEqual(expect.arrayContaining([...leftovers]));

    stays = false;
    await probe.until(({ problemTotal }) => problemTotal === 0, probe.reports.length);
    expect(leftovers()).toEqual([]);
    expect(told.at(-1)).toEqual({ sequence: 2n, problems: [], leftovers: [] });
  });

  it('opens no port before what a former run left behind it is gone', async () => {
    const next = faultyDriver(await afterFormerRun());
    const done: string[] = [];
    next.setFault((operation) => {
      const { kind } = operation.action === 'delete' ? operation.observed : operation.object.spec;
      done.push(`${operation.action} ${kind}`);
      return undefined;
    });
    const probe = await EngineProbe.start(next);
    opened.push(probe, next);
    await probe.apply(d.document(2, [...NETWORK, port(2, 'pf0vf1')]));
    expect(done).toEqual(expect.arrayContaining(['delete sender', 'create sender', 'create gate']));
    expect(done.indexOf('create gate')).toBeGreaterThan(done.lastIndexOf('delete sender'));
  });
});
