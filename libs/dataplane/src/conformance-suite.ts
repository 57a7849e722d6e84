import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AppError, systemClock } from '@outboard/core';
import { difference, satisfies } from '@outboard/reconcile';
import type { DocumentReport, DocumentUpdate } from './document.js';
import type { Driver, DriverObject, ObservedObject, Spec } from './driver.js';
import { type FaultyDriver, faultyDriver } from './driver-memory/faulty-driver.js';
import { ALL_UP, CHANGED, EVERYTHING, NET, OPTIONAL, OTHER } from './testing/conformance-documents.js';
import * as d from './testing/documents.js';
import { EngineProbe } from './testing/engine-probe.js';
import { harmedBy, noting, stayingWith } from './testing/object-graph.js';
import { randomDocuments } from './testing/random-documents.js';

/** A machine on which a driver can be tried. Its representors are `pf0vf0` to `pf0vf3`; its underlay is 10.254.0.1. */
export interface ConformanceWorld<S extends Spec> extends AsyncDisposable {
  /** A new driver, as after a restart; what stands on the machine stays. */
  open(): Promise<Driver<S>>;
  /** Takes a representor away, and brings it back. */
  unplug(representor: string): Promise<void>;
  plug(representor: string): Promise<void>;
  /** Something of somebody else where an object of ours would stand; the keys at which that can be done. */
  placeForeign(key: string): Promise<void>;
  removeForeign(key: string): Promise<void>;
  isForeignIntact(key: string): Promise<boolean>;
  /** Which of these keys can be taken by something foreign. */
  canBeForeign(key: string): boolean;
}

/** Whether an object is the driver's own: keys of such begin with their kind. */
const isInProcess = ({ inProcess = new Set() }: Driver<Spec>, key: string): boolean =>
  inProcess.has(key.slice(0, key.indexOf('/')));

const without = (entries: readonly d.Entry[], ...keys: readonly string[]): d.Entry[] =>
  entries.filter(([key]) => !keys.includes(key));

/** What the driver has of that which not every one has, or of some of it. */
const optional = (driver: Driver<Spec>, names = Object.keys(OPTIONAL)): readonly d.Entry[] =>
  driver
    .capabilities()
    .filter(({ name, available }) => available && names.includes(name))
    .flatMap(({ name }) => OPTIONAL[name] ?? []);
const everything = (driver: Driver<Spec>): readonly d.Entry[] => [...EVERYTHING, ...optional(driver)];

/** Milliseconds: the tests that try out every operation have many steps. */
const TEST_MILLISECONDS = 180_000;
/** Milliseconds within which what was disturbed is right again. */
const CONVERGENCE_MILLISECONDS = 5000;

/** Looks again and again until it is so, or too long. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonic() + CONVERGENCE_MILLISECONDS;
  while (!(await isSo()) && systemClock.monotonic() < deadline) await nextTurn();
}

interface Deviation {
  readonly key: string;
  readonly kind: string;
  readonly how: string;
}

const INJECTED = { kind: 'failed', error: { code: 'EIO', message: 'injected' } } as const;

/** Every kind that the driver has on this machine. */
const kindsOf = <S extends Spec>(driver: Driver<S>): S['kind'][] =>
  driver.order.filter((kind) =>
    driver.capabilities().every(({ name, available }) => name !== kind || available),
  );

/** What every driver has to do, on whatever it drives. A driver that passes can be used by the engine. */
export function driverConformance<S extends Spec>(
  name: string,
  openWorld: () => Promise<ConformanceWorld<S>>,
  options: {
    /** Only what is quick, or only what goes through all looks or kinds one by one; default: both. */
    readonly part?: 'quick' | 'slow';
    /** How many random documents are gone through. */
    readonly walks: number;
    /** Of all operations, every how many-th fails once. */
    readonly faultStride: number;
    /** Documents that not every driver can have, each one a change of the one before. */
    readonly more?: readonly (readonly d.Entry[])[];
  },
): void {
  jest.setTimeout(TEST_MILLISECONDS);
  const quick = options.part === 'slow' ? () => {} : it;
  const slow = options.part === 'quick' ? () => {} : it;
  describe(`${name}: driver conformance`, () => {
    let world: ConformanceWorld<S>;
    let opened: AsyncDisposable[] = [];
    let sequence = 0;

    const start = async (driver: Driver<S>, owners?: readonly string[]): Promise<EngineProbe<S>> => {
      const probe = await EngineProbe.start(driver, owners);
      opened.unshift(probe);
      return probe;
    };
    const open = async (): Promise<Driver<S>> => {
      const driver = await world.open();
      opened.unshift(driver);
      return driver;
    };
    const stop = async (): Promise<void> => {
      for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
    };
    const whole = (entries: readonly d.Entry[]): DocumentUpdate => {
      return d.document(++sequence, entries);
    };

    beforeEach(async () => {
      world = await openWorld();
      sequence = 0;
    });
    afterEach(async () => {
      await stop();
      await world[Symbol.asyncDispose]();
      opened = [];
    });

    /** What is not as wanted, and what of ours is not wanted. */
    const deviations = async (
      probe: EngineProbe<S>,
      driver: Pick<Driver<S>, 'observe'>,
    ): Promise<Deviation[]> => {
      const { objects } = probe.engine.snapshot();
      const wanted = new Map<string, S>();
      // What waits for something may be there in part.
      const waiting = new Set<string>();
      for (const { problem, driverObjects } of objects) {
        for (const { key, wanted: spec } of driverObjects) {
          wanted.set(key, spec);
          if (problem?.state === 'PENDING') waiting.add(key);
        }
      }
      const found = new Map((await driver.observe({ kind: 'all' })).map((object) => [object.key, object]));
      const lacking = [...wanted].filter(
        ([key, spec]) =>
          !waiting.has(key) &&
          (found.get(key)?.ownership.kind !== 'owned' || !satisfies(spec, found.get(key)?.spec)),
      );
      const left = [...found].filter(
        ([key, { ownership }]) => ownership.kind === 'owned' && !wanted.has(key),
      );
      return [
        ...lacking.map(([key, spec]) => ({
          key,
          kind: spec.kind,
          how: `${difference(spec, found.get(key)?.spec)}`,
        })),
        ...left.map(([key, { spec }]) => ({ key, kind: spec.kind, how: 'is left' })),
      ];
    };
    /** Everything wanted is there as wanted, and nothing else of ours is. */
    const expectExactly = async (probe: EngineProbe<S>, driver: Pick<Driver<S>, 'observe'>): Promise<void> =>
      expect(await deviations(probe, driver)).toEqual([]);
    /** The same, soon: what happened behind its back is noticed by events. */
    const expectSoon = async (probe: EngineProbe<S>, driver: Pick<Driver<S>, 'observe'>): Promise<void> => {
      await until(async () => (await deviations(probe, driver)).length === 0);
      await expectExactly(probe, driver);
    };
    /** With what can be made and removed again: all comes, and all goes. */
    const expectHealed = async (probe: EngineProbe<S>, driver: FaultyDriver<S>): Promise<void> => {
      const from = probe.reports.length;
      driver.setFault(undefined);
      await probe.until(({ problems }) => problems.length === 0, from);
      await expectSoon(probe, driver);
      await probe.apply(whole([]));
      await expectSoon(probe, driver);
    };
    const expectClean = (report: DocumentReport): void => expect(report.problems).toEqual([]);

    quick('creates every kind of object and sees it as it was wanted', async () => {
      const driver = await open();
      const probe = await start(driver);
      expectClean(await probe.apply(whole(EVERYTHING)));
      await expectExactly(probe, driver);
    });

    quick('comes and goes with all that it has and others may not, and refuses what it has not', async () => {
      const driver = await open();
      const probe = await start(driver);
      expectClean(await probe.apply(whole(everything(driver))));
      await expectExactly(probe, driver);
      const had = optional(driver);
      const lacking = Object.values(OPTIONAL)
        .filter(([first]) => first !== undefined && !had.includes(first))
        .map(([first]) => first?.[0]);
      const all = [...EVERYTHING, ...Object.values(OPTIONAL).flat()];
      const { problems } = await probe.apply(whole(all));
      const refused = problems.filter(({ state }) => state === 'UNSUPPORTED').map(({ key }) => key);
      expect(refused.sort()).toEqual(lacking.sort());
      expectClean(await probe.apply(whole(EVERYTHING)));
      await expectExactly(probe, driver);
    });

    quick(
      'a single look at a key sees the same as a look at everything, and nothing where nothing is',
      async () => {
        const driver = await open();
        const probe = await start(driver);
        await probe.apply(whole(everything(driver)));
        const all = (await driver.observe({ kind: 'all' })).filter(
          ({ ownership }) => ownership.kind === 'owned',
        );
        for (const object of all) {
          const found = await driver.observe({ kind: 'keys', keys: [object.key] });
          expect(found.filter(({ key }) => key === object.key)).toEqual([object]);
        }
        const keys = all.map(({ key }) => key);
        const expected = all.map(({ key, spec }) => ({ key, spec, after: [] }));
        expect(await driver.observe({ kind: 'keys', keys, expected })).toEqual(
          await driver.observe({ kind: 'keys', keys }),
        );
        await probe.apply(whole([]));
        expect(await driver.observe({ kind: 'keys', keys: all.map(({ key }) => key) })).toEqual(
          all
            .filter(({ spec }) => spec.kind === 'representor')
            .map(({ key }) => expect.objectContaining({ key, ownership: { kind: 'free' } })),
        );
      },
    );

    quick('shows in sections what it shows as a whole, each key in its own', async () => {
      const driver = await open();
      const probe = await start(driver);
      await probe.apply(whole(everything(driver)));
      const { sections } = driver;
      if (sections === undefined) return;
      const inSections: ObservedObject<S>[] = [];
      for (const section of sections.names) {
        const found = await driver.observe({ kind: 'section', section });
        expect(new Set(found.map(({ key }) => sections.of(key)))).toEqual(
          new Set(found.length ? [section] : []),
        );
        inSections.push(...found);
      }
      const byKey = (objects: readonly ObservedObject<S>[]) =>
        [...objects].sort((one, other) => (one.key < other.key ? -1 : 1));
      expect(byKey(inSections)).toEqual(byKey(await driver.observe({ kind: 'all' })));
    });

    quick('what is already so is not touched again, and a restart adopts it', async () => {
      const before = await open();
      const probe = await start(before);
      await probe.apply(whole(everything(before)));
      await stop();
      const applied: string[] = [];
      const driver = faultyDriver(await open());
      driver.setFault((operation) => {
        const key = operation.action === 'delete' ? operation.key : operation.object.key;
        if (!isInProcess(driver, key)) applied.push(key);
        return undefined;
      });
      const adopting = await start(driver);
      const report = await adopting.apply(whole(everything(driver)));
      expect(report).toMatchObject({ problems: [], repaired: 0 });
      expect(applied).toEqual([]);
    });

    quick('changes everything in place, in both directions', async () => {
      const driver = await open();
      const probe = await start(driver);
      for (const entries of [EVERYTHING, CHANGED, EVERYTHING, ...(options.more ?? [])]) {
        expectClean(await probe.apply(whole(entries)));
        await expectExactly(probe, driver);
      }
    });

    quick('removes everything that is not wanted any more', async () => {
      const driver = await open();
      const probe = await start(driver);
      const all = everything(driver);
      await probe.apply(whole(all));
      const keys = all.map(([key]) => key);
      const ports = keys.filter((key) => /^(endpoint|route)/.test(key));
      await probe.apply(d.delta(++sequence, [], ports));
      await expectExactly(probe, driver);
      await probe.apply(d.delta(++sequence, [], keys));
      await expectSoon(probe, driver);
    });

    quick('prunes what a former life left, once the complete document is known, and not before', async () => {
      const former = await open();
      const probe = await start(former);
      await probe.apply(whole(everything(former)));
      await stop();
      const driver = await open();
      const later = await start(driver);
      const before = await driver.observe({ kind: 'all' });
      await later.apply(d.delta(++sequence, [d.router(), d.route('10.99.0.0/16')]));
      expect(await driver.observe({ kind: 'all' })).toHaveLength(before.length + 1);
      const rest = without(EVERYTHING, 'endpoint/port-2', `bridgedomain/${OTHER}`, 'endpoint/port-3');
      expectClean(await later.apply(whole(rest)));
      await expectExactly(later, driver);
    });

    quick('does not touch what is foreign, reports it, and takes the place when it is free', async () => {
      const driver = await open();
      const probe = await start(driver);
      await probe.apply(whole(EVERYTHING));
      const { objects } = probe.engine.snapshot();
      const keys = objects.flatMap(({ driverObjects }) => driverObjects.map(({ key }) => key));
      const candidates = [...new Set(keys)].filter((key) => world.canBeForeign(key));
      expect(candidates).not.toEqual([]);
      for (const key of candidates) {
        const claimants = objects.filter(({ driverObjects }) =>
          driverObjects.some((each) => each.key === key),
        );
        const rest = without(EVERYTHING, ...claimants.map((claimant) => claimant.key));
        await probe.apply(whole(rest));
        await expectSoon(probe, driver);
        await world.placeForeign(key);
        const report = await probe.apply(whole(EVERYTHING));
        expect(report.problems).toContainEqual(
          expect.objectContaining({ state: 'FOREIGN', message: expect.stringContaining(key) }),
        );
        expect(await world.isForeignIntact(key)).toBe(true);
        const from = probe.reports.length;
        await world.removeForeign(key);
        await probe.until(({ problems }) => problems.length === 0, from);
        await expectSoon(probe, driver);
      }
    });

    quick(
      'an endpoint whose representor is missing is Pending, and is attached when it appears',
      async () => {
        const driver = await open();
        const probe = await start(driver);
        await world.unplug('pf0vf0');
        const report = await probe.apply(whole(EVERYTHING));
        expect(report.problems).toEqual([
          expect.objectContaining({
            key: 'endpoint/port-1',
            state: 'PENDING',
            message: 'waits for link/pf0vf0',
            source: { kind: 'Port', tenant: 'acme', name: 'port-1' },
          }),
        ]);
        await world.plug('pf0vf0');
        await probe.until(({ problems }) => problems.length === 0);
        await expectExactly(probe, driver);
        await world.unplug('pf0vf0');
        await probe.until(({ problems }) => problems.length === 1);
        await world.plug('pf0vf0');
        await probe.until(({ problems }) => problems.length === 0);
        await expectExactly(probe, driver);
      },
    );

    quick('an object without its network is Pending until the network is there', async () => {
      const driver = await open();
      const probe = await start(driver);
      const report = await probe.apply(whole(without(EVERYTHING, `bridgedomain/${NET}`)));
      expect(report.problems.map(({ state }) => state)).toEqual(report.problems.map(() => 'PENDING'));
      expect(report.problems.map(({ key }) => key)).toEqual(
        expect.arrayContaining(['endpoint/port-1', 'remoteendpoint/port-4', `tunnelpeer/${NET}/10.254.0.2`]),
      );
      expectClean(await probe.apply(d.delta(++sequence, [d.bridgeDomain(NET)])));
      await expectExactly(probe, driver);
    });

    quick('repairs whatever is removed behind its back, without being told to look', async () => {
      const driver = await open();
      const probe = await start(driver);
      expectClean(await probe.apply(whole([...ALL_UP, ...optional(driver)])));
      const other = await open();
      const wanted = probe.engine.snapshot().objects.flatMap(({ driverObjects }) => driverObjects);
      for (const key of new Set(wanted.map(({ key }) => key))) {
        if (isInProcess(driver, key)) continue;
        const observed = (await other.observe({ kind: 'all' })).find((each) => each.key === key);
        if (observed === undefined) throw new Error(`${key} is not there`);
        const from = probe.reports.length;
        await other.apply([{ action: 'delete', key, observed: observed.spec }]);
        const [still] = await other.observe({ kind: 'keys', keys: [key] });
        // What goes only with its container was not removed by itself.
        if (still !== undefined && satisfies(observed.spec, still.spec)) continue;
        await probe.until(({ repaired }) => repaired > 0, from);
        await expectSoon(probe, driver);
      }
    });

    quick('converges whichever of its operations fails', async () => {
      const driver = faultyDriver(await open());
      let operations = 0;
      driver.setFault(() => {
        operations++;
        return undefined;
      });
      const probe = await start(driver);
      await probe.apply(whole(everything(driver)));
      await probe.apply(whole([]));
      await expectSoon(probe, driver);
      const error = { code: 'EIO', message: 'injected' } as const;
      for (const kind of ['failed', 'retry'] as const) {
        for (let index = 0; index < operations; index += options.faultStride) {
          driver.setFault((_, count) => (count === index ? { kind, error } : undefined));
          expectClean(await probe.apply(whole(everything(driver))));
          await expectSoon(probe, driver);
          await probe.apply(whole([]));
          await expectSoon(probe, driver);
        }
      }
    });

    slow('converges whichever of its looks fails', async () => {
      const driver = await open();
      let looks = 0;
      let blind: number | undefined;
      const observe = driver.observe.bind(driver);
      driver.observe = async (scope) => {
        if (looks++ === blind) throw new AppError('UNAVAILABLE', 'injected');
        return observe(scope);
      };
      const probe = await start(driver);
      const goAndCome = async (): Promise<void> => {
        looks = 0;
        expectClean(await probe.apply(whole(everything(driver))));
        await probe.apply(whole([]));
        await expectSoon(probe, { observe });
      };
      await goAndCome();
      const most = looks;
      expect(most).toBeGreaterThan(0);
      for (blind = 0; blind < most; blind++) await goAndCome();
    });

    slow(
      'what cannot be made is told with its reason, kind by kind, and nothing else is harmed',
      async () => {
        const driver = faultyDriver(await open());
        const graph = new Map<string, DriverObject<S>>();
        driver.setFault(noting(graph));
        const probe = await start(driver);
        await probe.apply(whole(everything(driver)));
        await probe.apply(whole([]));
        await expectSoon(probe, driver);
        for (const kind of kindsOf(driver)) {
          driver.setFault((operation) =>
            operation.action !== 'delete' && operation.object.spec.kind === kind ? INJECTED : undefined,
          );
          const { problems } = await probe.apply(whole(everything(driver)));
          expect(problems).toContainEqual(
            expect.objectContaining({ state: 'FAILED', message: expect.stringContaining('injected (EIO)') }),
          );
          const harmed = harmedBy(graph, kind);
          const { objects } = probe.engine.snapshot();
          const isHarmed = ({ driverObjects }: (typeof objects)[number]): boolean =>
            driverObjects.some(({ key }) => harmed.has(key));
          expect(objects.filter((object) => object.problem && !isHarmed(object))).toEqual([]);
          const broken = objects.filter(({ driverObjects }) =>
            driverObjects.some(({ wanted }) => wanted.kind === kind),
          );
          expect(broken.filter(({ problem }) => problem === undefined)).toEqual([]);
          const wrong = (await deviations(probe, driver)).filter(({ key }) => !harmed.has(key));
          expect({ kind, wrong }).toEqual({ kind, wrong: [] });
          await expectHealed(probe, driver);
        }
      },
    );

    slow('what cannot be removed is told with its reason, kind by kind, and all else goes', async () => {
      const driver = faultyDriver(await open());
      const graph = new Map<string, DriverObject<S>>();
      const probe = await start(driver);
      const stayed: string[] = [];
      for (const kind of kindsOf(driver)) {
        driver.setFault(noting(graph));
        const beginning = probe.reports.length;
        await probe.apply(whole(everything(driver)));
        await probe.until(({ problems }) => problems.length === 0, beginning);
        driver.setFault((operation) => {
          return operation.action === 'delete' && operation.observed.kind === kind ? INJECTED : undefined;
        });
        const from = probe.reports.length;
        await probe.apply(whole([]));
        const staying = stayingWith(graph, kind);
        // By its kind too: where a port has gone, flows of Open vSwitch tell its number instead of its name.
        const others = async (): Promise<Deviation[]> =>
          (await deviations(probe, driver)).filter((each) => each.kind !== kind && !staying.has(each.key));
        await until(async () => (await others()).length === 0);
        expect({ kind, left: await others() }).toEqual({ kind, left: [] });
        // What was to be removed by itself may have gone with its container after that.
        const isTold = (): boolean =>
          probe.reports
            .slice(from)
            .some(({ problems }) =>
              problems.some(({ state, message }) => state === 'FAILED' && message.includes('injected (EIO)')),
            );
        await until(async () => isTold() || (await deviations(probe, driver)).length === 0);
        const left = await deviations(probe, driver);
        expect({ kind, isTold: left.length === 0 || isTold() }).toEqual({ kind, isTold: true });
        if (left.length > 0) stayed.push(kind);
        driver.setFault(undefined);
        await expectSoon(probe, driver);
      }
      expect(stayed).not.toEqual([]);
    });

    quick(
      'what is acknowledged but not installed ends in Failed, and heals when the driver does',
      async () => {
        const driver = faultyDriver(await open());
        const probe = await start(driver);
        for (const kind of kindsOf(driver)) {
          driver.setFault((operation) =>
            operation.action !== 'delete' && operation.object.spec.kind === kind
              ? { kind: 'done' }
              : undefined,
          );
          const report = await probe.apply(whole(everything(driver)));
          expect(report.problems).toContainEqual(
            expect.objectContaining({
              state: 'FAILED',
              message: expect.stringContaining('acknowledged, but'),
            }),
          );
          await expectHealed(probe, driver);
        }
      },
    );

    quick('goes from any document to any other', async () => {
      const driver = await open();
      const probe = await start(driver);
      for (const entries of randomDocuments(options.walks)) {
        await probe.apply(whole(entries));
        await expectSoon(probe, driver);
        // What refers to something that is not in the document waits for it; all else is there.
        const { objects } = probe.engine.snapshot();
        const problems = objects.flatMap(({ problem }) => problem ?? []);
        expect(problems.filter(({ state }) => state !== 'PENDING')).toEqual([]);
      }
    });
  });
}
