import { afterEach, describe, expect, it } from '@jest/globals';
import { systemRandom } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import type { Scope, Sections } from '../driver.js';
import { MemoryDriver } from '../driver-memory/memory-driver.js';
import type { DataplaneEngine } from '../engine.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import * as d from '../testing/documents.js';
import { createEngine } from './create-engine.js';

const NETWORK = [d.router(), d.bridgeDomain('net-a')];
const port = (number: number): d.Entry =>
  d.endpoint(`p${number}`, 'net-a', {
    macAddress: `02:00:5e:00:10:0${number}`,
    representor: `pf0vf${number}`,
    ipAddresses: [`10.0.0.${number}`],
  });

/** Two kinds of keys have a section each, all others have the third. */
const SECTIONS: Sections = {
  names: ['link', 'neighbour', 'rest'],
  of: (key) => /^(link|neighbour)(?=\/)/.exec(key)?.[0] ?? 'rest',
};
/** Of a round of 60 s. */
const SHARE = 20_000;

class SectionedDriver extends MemoryDriver {
  override readonly sections = SECTIONS;
}

describe('the engine on a driver that can be looked at in sections', () => {
  const opened: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
  });

  async function start() {
    const driver = new SectionedDriver({ dpu: 'dpu-1' });
    for (const number of [1, 2, 3]) driver.kernel.plug(`pf0vf${number}`);
    const clock = new ManualClock();
    const scopes: Scope<LinuxSpec>[] = [];
    const observe = driver.observe.bind(driver);
    driver.observe = (scope) => {
      if (scope.kind !== 'keys') scopes.push(scope);
      return observe(scope);
    };
    const engine = createEngine<LinuxSpec>({
      driver,
      owners: ['network'],
      clock,
      random: systemRandom,
      resyncMilliseconds: 3 * SHARE,
    });
    opened.push(engine, driver);
    await engine.start();
    scopes.length = 0;
    return { driver, clock, engine, scopes };
  }

  /** What is there of each object that is wanted. */
  const lacking = (engine: DataplaneEngine<LinuxSpec>): string[] =>
    engine
      .snapshot()
      .objects.flatMap(({ driverObjects }) => driverObjects)
      .flatMap(({ key, observed }) => (observed === undefined ? [key] : []));

  it('looks at one after the other, and repairs what is otherwise in each when its turn comes', async () => {
    const { driver, clock, engine, scopes } = await start();
    const { kernel } = driver;
    engine.submit(d.document(1, [...NETWORK, port(1)]));
    await engine.settled();
    const keyOf = (kind: string): string => kernel.keys().find((key) => key.startsWith(`${kind}/`)) ?? '';
    const [neighbour, gate] = [keyOf('neighbour'), keyOf('gate')];
    kernel.silently(() => {
      kernel.remove(neighbour);
      kernel.remove(gate);
    });
    const there: boolean[][] = [];
    for (const pause of [3 * SHARE, SHARE, SHARE]) {
      await clock.advance(pause);
      await engine.settled();
      there.push([neighbour, gate].map((key) => kernel.get(key) !== undefined));
    }
    expect(scopes).toEqual(SECTIONS.names.map((section) => ({ kind: 'section', section })));
    expect(there).toEqual([
      [false, false],
      [true, false],
      [true, true],
    ]);
  });

  it('follows a document that changes between two of them', async () => {
    const { driver, clock, engine } = await start();
    engine.submit(d.document(1, [...NETWORK, port(1), port(2)]));
    await engine.settled();
    await clock.advance(3 * SHARE);
    await engine.settled();
    engine.submit(d.delta(2, [port(3)], ['endpoint/p1']));
    await engine.settled();
    const keys = driver.kernel.keys().sort();
    let operations = 0;
    const apply = driver.apply.bind(driver);
    driver.apply = (all) => {
      operations += all.length;
      return apply(all);
    };
    for (let look = 0; look < 5; look++) {
      await clock.advance(SHARE);
      await engine.settled();
    }
    expect(operations).toBe(0);
    expect(driver.kernel.keys().sort()).toEqual(keys);
    expect(lacking(engine)).toEqual([]);
  });

  it('does not take for absent what is made meanwhile in another', async () => {
    const { driver, clock, engine, scopes } = await start();
    const apply = driver.apply.bind(driver);
    const made = new Map<string, number>();
    driver.apply = async (operations) => {
      for (const operation of operations)
        if (operation.action === 'create')
          made.set(operation.object.key, (made.get(operation.object.key) ?? 0) + 1);
      const results = await apply(operations);
      // A look is due while much is applied that nobody has read back.
      if (scopes.length === 0) await clock.advance(3 * SHARE);
      return results;
    };
    engine.submit(d.document(1, [...NETWORK, port(1), port(2)]));
    await engine.settled();
    expect(scopes).toEqual([{ kind: 'section', section: 'link' }]);
    expect(lacking(engine)).toEqual([]);
    expect(Math.max(...made.values())).toBe(1);
  });

  it('looks at everything at once when events were lost, and at the sections from the first on after that', async () => {
    const { driver, clock, engine, scopes } = await start();
    await clock.advance(3 * SHARE);
    await engine.settled();
    driver.kernel.overrun();
    await engine.settled();
    for (const pause of [3 * SHARE - 1, 1]) {
      await clock.advance(pause);
      await engine.settled();
    }
    expect(scopes).toEqual([
      { kind: 'section', section: 'link' },
      { kind: 'all' },
      { kind: 'section', section: 'link' },
    ]);
  });

  it('looks at one again that it could not look at', async () => {
    const { driver, clock, engine, scopes } = await start();
    const { observe } = driver;
    driver.observe = (scope) => {
      driver.observe = observe;
      return observe(scope).then(() => Promise.reject(new Error('the kernel is busy')));
    };
    await clock.advance(3 * SHARE);
    while (scopes.length < 2) await clock.advance(500);
    await engine.settled();
    expect(scopes).toEqual([
      { kind: 'section', section: 'link' },
      { kind: 'section', section: 'link' },
    ]);
  });
});
