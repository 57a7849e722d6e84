import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { AppError, systemRandom } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import type { DocumentReport } from '../document.js';
import type { Driver } from '../driver.js';
import { faultyDriver } from '../driver-memory/faulty-driver.js';
import { MemoryDriver } from '../driver-memory/memory-driver.js';
import { HopHealthBoard } from '../hop-health.js';
import { linkKey } from '../realise/linux-keys.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { createEngine } from './create-engine.js';

const MAC = (number: number): string => `02:00:5e:00:10:0${number}`;
const port = (number: number, representor = `pf0vf${number}`): d.Entry =>
  d.endpoint(`p${number}`, 'net-a', {
    macAddress: MAC(number),
    representor,
    ipAddresses: [`10.0.0.${number}`],
  });
const NETWORK = [d.router(), d.bridgeDomain('net-a')];

describe('the engine', () => {
  const opened: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
  });

  function memory(): MemoryDriver {
    const driver = new MemoryDriver({ dpu: 'dpu-1' });
    for (const number of [1, 2, 3]) driver.kernel.plug(`pf0vf${number}`);
    return driver;
  }
  async function start(driver: Driver<LinuxSpec>, owners?: string[]): Promise<EngineProbe<LinuxSpec>> {
    const probe = await EngineProbe.start(driver, owners);
    opened.push(probe);
    return probe;
  }

  it('plans by the same code what it then does, and does nothing while it plans', async () => {
    const driver = faultyDriver(memory());
    const done: string[] = [];
    driver.setFault((operation) => {
      const key = operation.action === 'delete' ? operation.key : operation.object.key;
      done.push(`${operation.action} ${key}`);
      return undefined;
    });
    const probe = await start(driver);
    for (const update of [
      d.document(1, [...NETWORK, port(1)]),
      d.delta(2, [port(2), d.endpoint('p1', 'net-a', { macAddress: MAC(1), representor: 'pf0vf3' })], []),
      d.delta(3, [], ['endpoint/p2']),
    ]) {
      done.length = 0;
      const plan = probe.engine.plan(update);
      await probe.engine.settled();
      expect(done).toEqual([]);
      expect(probe.engine.plan(update)).toEqual(plan);
      await probe.apply(update);
      const planned = [
        ...plan.creates.map(({ key }) => (key.startsWith('link/pf') ? `update ${key}` : `create ${key}`)),
        ...plan.updates.map(({ key }) => `update ${key}`),
        ...plan.deletes.map(({ key }) => `delete ${key}`),
      ];
      // What goes with its container is not deleted by itself.
      expect(planned).toEqual(expect.arrayContaining(done));
      expect(planned.filter((each) => !done.includes(each) && !each.startsWith('delete'))).toEqual([]);
    }
  });

  it('removes what was made and not read back when it is not wanted any more, before it tells so', async () => {
    const kernel = memory();
    const driver = faultyDriver(kernel);
    const probe = await start(driver);
    // Nothing else needs a neighbour: it is read back later, with others.
    let isAsked = false;
    driver.setFault((operation) => {
      if (operation.action === 'create' && operation.object.spec.kind === 'neighbour' && !isAsked) {
        isAsked = true;
        probe.engine.submit(d.delta(2, [], ['endpoint/p1']));
      }
      return undefined;
    });
    const left: (readonly string[])[] = [];
    probe.engine.onReport(({ version, problemTotal }) => {
      if (version.sequence !== 2n || problemTotal > 0) return;
      left.push([...kernel.kernel.keys()].filter((key) => key.startsWith('neighbour/')));
    });
    probe.engine.submit(d.document(1, [...NETWORK, port(1)]));
    await probe.until(({ version, problemTotal }) => version.sequence === 2n && problemTotal === 0);
    await probe.engine.settled();
    expect(isAsked).toBe(true);
    expect(left.length).toBeGreaterThan(0);
    expect(left.flat()).toEqual([]);
  });

  it('steers otherwise at once when a hop of a chain goes down, and as before when it is up again', async () => {
    const driver = memory();
    const hops = new HopHealthBoard();
    const probe = await EngineProbe.start(driver, ['network'], hops);
    opened.push(probe);
    const chains = [d.serviceChainKey('chain')];
    const steered = d.endpoint('p1', 'net-a', {
      macAddress: MAC(1),
      representor: 'pf0vf1',
      ipAddresses: ['10.0.0.1'],
      serviceChains: chains,
    });
    const chain = d.serviceChain('chain', { destinations: ['10.7.0.0/16'], hops: [['p2'], ['p3']] });
    await probe.apply(d.document(1, [...NETWORK, steered, port(2), port(3), chain]));
    const filters = (): Record<string, string[]> => {
      const found: Record<string, string[]> = {};
      for (const key of driver.kernel.keys().filter((each) => each.startsWith('steering/'))) {
        const spec = driver.kernel.get(key)?.spec;
        if (spec === undefined || !('program' in spec)) continue;
        const way = `${spec.device.slice(0, 3)} ${spec.target.slice(0, 6)}`;
        found[spec.kind] = [...(found[spec.kind] ?? []), way].sort();
      }
      return found;
    };
    const whole = filters();
    expect(whole).toMatchObject({ steering: ['obv pf0vf3', 'pf0 pf0vf2'], closure: ['obv ', 'pf0 '] });
    expect(whole.hopexit).toHaveLength(4);
    hops.report('p3', 'down');
    await probe.engine.settled();
    expect(filters()).toEqual({ closure: whole.closure });
    await probe.apply(
      d.delta(2, [
        d.serviceChain('chain', { destinations: ['10.7.0.0/16'], hops: [['p2'], ['p3']], failOpen: true }),
      ]),
    );
    expect(filters()).toMatchObject({ steering: ['obv pf0vf2', 'pf0 pf0vf2'] });
    hops.report('p3', 'up');
    await probe.engine.settled();
    expect(filters()).toEqual({ steering: whole.steering, hopexit: whole.hopexit });
  });

  it('plans problems too', async () => {
    const probe = await start(memory());
    expect(probe.engine.plan(d.document(1, [port(1)])).problems).toEqual([
      expect.objectContaining({ key: 'endpoint/p1', state: 'PENDING' }),
    ]);
  });

  it('tells what cannot be read or breaks a rule with every reason, and applies the rest', async () => {
    const probe = await start(memory());
    const broken: d.Entry = ['endpoint/broken', Uint8Array.of(0xff, 0xff)];
    const wrong = d.endpoint('wrong', 'net-a', { macAddress: 'x', representor: '', ipAddresses: ['y'] });
    const report = await probe.apply(d.document(1, [...NETWORK, port(1), broken, wrong]));
    const found = new Map(report.problems.map((problem) => [problem.key, problem]));
    expect([...found.keys()].sort()).toEqual(['endpoint/broken', 'endpoint/wrong']);
    expect(found.get('endpoint/broken')).toMatchObject({
      state: 'FAILED',
      source: { kind: '', tenant: '', name: '' },
    });
    expect(found.get('endpoint/wrong')).toMatchObject({
      state: 'FAILED',
      source: { kind: 'Port', tenant: 'acme', name: 'wrong' },
      message: expect.stringMatching(/representor .*; macAddress .*; ipAddresses\[0\] /),
    });
  });

  it('refuses an owner that it does not know', async () => {
    const probe = await start(memory());
    expect(() => probe.engine.submit(d.document(1, [], 'stranger'))).toThrow(AppError);
  });

  it.each([
    ['the winner first', [1, 2]],
    ['the loser first', [2, 1]],
  ])('gives what two want to the same one, %s', async (_order, order) => {
    const driver = memory();
    const probe = await start(driver);
    await probe.apply(d.document(1, NETWORK));
    for (const [index, number] of order.entries())
      await probe.apply(d.delta(2 + index, [port(number, 'pf0vf3')]));
    expect(probe.reports.at(-1)?.problems).toEqual([
      expect.objectContaining({
        key: 'endpoint/p2',
        state: 'FAILED',
        message: 'endpoint/p1 wants gate/pf0vf3 otherwise',
      }),
    ]);
    await probe.apply(d.delta(4, [], ['endpoint/p1']));
    await probe.until(({ problems }) => problems.length === 0, 0);
    const target = driver.kernel.get('gate/pf0vf3')?.spec;
    const veth = probe.engine.snapshot('endpoint/p2').objects[0]?.driverObjects[0]?.wanted;
    expect(target).toMatchObject({ target: veth?.kind === 'veth' ? veth.name : '' });
  });

  it('gives a guess to whoever makes it alone, and to nobody when guesses differ or somebody is sure', async () => {
    const driver = memory();
    const probe = await start(driver);
    const pair = { ip: '10.0.1.50', macAddress: '02:00:5e:00:00:50' };
    const remote = (name: string, tunnelEndpoint: string): d.Entry =>
      d.remoteEndpoint(name, 'net-a', {
        macAddress: `02:00:5e:00:09:${name.slice(1)}`,
        tunnelEndpoint,
        allowedAddressPairs: [pair],
      });
    const sure = d.remoteEndpoint('p30', 'net-a', {
      macAddress: pair.macAddress,
      tunnelEndpoint: '10.254.0.4',
    });
    /** Where the tunnels take frames for the pair's MAC address. */
    const destination = (): string | undefined => {
      const key = driver.kernel.keys().find((each) => /^tunnelentry.*00:50$/.test(each));
      const spec = key === undefined ? undefined : driver.kernel.get(key)?.spec;
      return spec?.kind === 'tunnelentry' ? spec.destination : undefined;
    };
    const steps: [upserts: d.Entry[], deletes: string[], expected: string | undefined][] = [
      [[remote('p10', '10.254.0.2')], [], '10.254.0.2'],
      [[remote('p20', '10.254.0.3')], [], undefined],
      [[remote('p20', '10.254.0.2')], [], '10.254.0.2'],
      [[remote('p20', '10.254.0.3')], ['remoteendpoint/p10'], '10.254.0.3'],
      [[sure], [], '10.254.0.4'],
      [[], ['remoteendpoint/p30'], '10.254.0.3'],
    ];
    await probe.apply(d.document(1, NETWORK));
    for (const [index, [upserts, deletes, expected]] of steps.entries()) {
      const { problems } = await probe.apply(d.delta(2 + index, upserts, deletes));
      expect([index, problems, destination()]).toEqual([index, [], expected]);
    }
  });

  it('removes what an owner left only when that owner has spoken', async () => {
    const driver = memory();
    const spec: LinuxSpec = { kind: 'bridge', namespace: 'x', name: 'obbx', mac: '', mtu: 1500, up: true };
    driver.kernel.put('link/obbx', spec, { owner: 'admin', key: 'bridgedomain/x' }, undefined);
    const probe = await start(driver, ['network', 'admin']);
    await probe.apply(d.document(1, NETWORK));
    expect(driver.kernel.get('link/obbx')).toBeDefined();
    await probe.apply(d.document(1, [], 'admin'));
    expect(driver.kernel.get('link/obbx')).toBeUndefined();
    expect(driver.kernel.keys().length).toBeGreaterThan(3);
  });

  it('keeps what one owner wants when another stops wanting it', async () => {
    const driver = memory();
    const probe = await start(driver, ['network', 'admin']);
    await probe.apply(d.document(1, [d.router()]));
    await probe.apply(d.document(1, [d.router()], 'admin'));
    await probe.apply(d.document(2, []));
    expect(driver.kernel.keys().filter((key) => key.startsWith('namespace/'))).toHaveLength(1);
    await probe.apply(d.document(2, [], 'admin'));
    expect(driver.kernel.keys().filter((key) => key.startsWith('namespace/'))).toEqual([]);
  });

  it('does not let a port wait for a large document, and says what of that is still to come', async () => {
    const driver = faultyDriver(memory());
    const order: string[] = [];
    driver.setFault((operation) => {
      if (operation.action !== 'delete') order.push(operation.object.spec.kind);
      return undefined;
    });
    const probe = await start(driver);
    await probe.apply(d.document(1, NETWORK));
    const routes = Array.from({ length: 5000 }, (_, index) =>
      d.route(`11.0.${index >> 8}.${index & 255}/32`),
    );
    const from = probe.reports.length;
    probe.engine.submit(d.document(2, [...NETWORK, ...routes]));
    probe.engine.submit(d.delta(3, [port(1)]));
    const attached = await probe.until(({ version }) => version.sequence === 3n, from);
    expect(attached.problems).toEqual([
      expect.objectContaining({
        isUnderWay: true,
        source: { kind: 'Router', tenant: 'acme', name: 'main' },
      }),
    ]);
    expect(order.lastIndexOf('gate')).toBeLessThan(routes.length / 2);
    const done = await probe.until(({ problems }) => problems.length === 0, probe.reports.indexOf(attached));
    expect(done.version.sequence).toBe(3n);
    expect(order.filter((kind) => kind === 'route')).toHaveLength(routes.length);
  });

  it('reports a version once, also when it changes nothing', async () => {
    const probe = await start(memory());
    const seen: DocumentReport[] = [];
    const listening = probe.engine.onReport((report) => seen.push(report));
    await probe.apply(d.document(1, NETWORK));
    await probe.apply(d.document(2, NETWORK));
    expect(seen.map(({ version }) => version.sequence)).toEqual([1n, 2n]);
    listening[Symbol.dispose]();
    await probe.apply(d.document(3, NETWORK));
    expect(seen).toHaveLength(2);
  });

  it('compares everything when events were lost', async () => {
    const driver = memory();
    const probe = await start(driver);
    await probe.apply(d.document(1, [...NETWORK, port(1)]));
    const neighbour = driver.kernel.keys().find((key) => key.startsWith('neighbour/')) ?? '';
    driver.kernel.silently(() => driver.kernel.remove(neighbour));
    await probe.engine.settled();
    expect(driver.kernel.get(neighbour)).toBeUndefined();
    driver.kernel.overrun();
    expect(await probe.until(({ repaired }) => repaired > 0)).toMatchObject({ repaired: 1, problems: [] });
    expect(driver.kernel.get(neighbour)).toBeDefined();
  });

  it('compares everything the more rarely the longer it takes', async () => {
    const driver = memory();
    const clock = new ManualClock();
    const observe = driver.observe.bind(driver);
    let looks = 0;
    driver.observe = async (scope) => {
      if (scope.kind === 'all') looks++;
      const found = await observe(scope);
      if (scope.kind === 'all') await clock.advance(500);
      return found;
    };
    const engine = createEngine({
      driver,
      owners: ['network'],
      clock,
      random: systemRandom,
      resyncMilliseconds: 60_000,
    });
    opened.push(engine);
    await engine.start();
    await clock.advance(60_000);
    await engine.settled();
    expect(looks).toBe(2);
    await clock.advance(199_999);
    await engine.settled();
    expect(looks).toBe(2);
    await clock.advance(1);
    await engine.settled();
    expect(looks).toBe(3);
  });

  it('compares everything from time to time, if it is to', async () => {
    const driver = memory();
    const clock = new ManualClock();
    const engine = createEngine({
      driver,
      owners: ['network'],
      clock,
      random: systemRandom,
      resyncMilliseconds: 60_000,
    });
    opened.push(engine);
    await engine.start();
    engine.submit(d.document(1, [...NETWORK, port(1)]));
    await engine.settled();
    const neighbour = driver.kernel.keys().find((key) => key.startsWith('neighbour/')) ?? '';
    for (let round = 0; round < 2; round++) {
      driver.kernel.silently(() => driver.kernel.remove(neighbour));
      await clock.advance(59_999);
      await engine.settled();
      expect(driver.kernel.get(neighbour)).toBeUndefined();
      await clock.advance(1);
      await engine.settled();
      expect(driver.kernel.get(neighbour)).toBeDefined();
    }
  });

  it('realises everything anew when the underlay is another', async () => {
    const driver = memory();
    const probe = await start(driver);
    await probe.apply(d.document(1, [...NETWORK, port(1)]));
    const tunnel = (): LinuxSpec | undefined =>
      driver.kernel
        .keys()
        .flatMap((key) => driver.kernel.get(key)?.spec ?? [])
        .find(({ kind }) => kind === 'tunnel');
    driver.setUnderlay({ device: 'p0', address: '10.254.0.9', mtu: 1600 });
    await probe.engine.settled();
    expect(tunnel()).toMatchObject({ local: '10.254.0.9' });
    driver.setUnderlay(undefined);
    const without = await probe.until(({ problems }) => problems.length > 0);
    expect(without.problems).toContainEqual(
      expect.objectContaining({ key: 'bridgedomain/net-a', state: 'UNSUPPORTED' }),
    );
    driver.setUnderlay({ device: 'p0', address: '10.254.0.1', mtu: 1600 });
    await probe.until(({ problems }) => problems.length === 0);
    expect(tunnel()).toMatchObject({ local: '10.254.0.1' });
  });

  it('gets over a driver that cannot look for a while', async () => {
    const driver = memory();
    const look = driver.observe.bind(driver);
    const probe = await start(driver);
    let failures = 2;
    driver.observe = async (scope) => {
      if (failures-- > 0) throw new Error('cannot look');
      return look(scope);
    };
    const report = await probe.apply(d.document(1, [...NETWORK, port(1)]));
    expect(report.problems).toEqual([]);
  });

  it('tries again what a driver misses although it is there', async () => {
    const driver = faultyDriver(memory());
    const probe = await start(driver);
    let misses = 2;
    driver.setFault((operation) =>
      operation.action !== 'delete' && operation.object.spec.kind === 'gate' && misses-- > 0
        ? { kind: 'missing', dependency: linkKey(operation.object.spec.target), message: 'waits for it' }
        : undefined,
    );
    const from = probe.reports.length;
    await probe.apply(d.document(1, [...NETWORK, port(1)]));
    await probe.until(({ problems }) => problems.length === 0, from);
  });

  it('keeps what comes again while what it was to be made with fails', async () => {
    const driver = faultyDriver(memory());
    const probe = await start(driver);
    const member = (number: number): d.Entry => d.groupMember('g', `10.0.1.${number}`);
    const isOf = (number: number, key: string): boolean => key.endsWith(`/0a00010${number}`);
    let isFailing = true;
    driver.setFault((operation) =>
      isFailing && operation.action !== 'delete' && isOf(1, operation.object.key)
        ? { kind: 'failed', error: { code: 'EIO', message: 'injected' } }
        : undefined,
    );
    const tried = new Promise<void>((resolve) => {
      const apply = driver.apply.bind(driver);
      driver.apply = async (operations) => {
        const results = await apply(operations);
        if (results.some(({ kind }) => kind === 'again')) resolve();
        return results;
      };
    });
    probe.engine.submit(d.document(1, [...NETWORK, d.addressGroup('g'), member(1), member(2)]));
    await tried;
    probe.engine.submit(d.delta(2, [], [member(2)[0]]));
    const isKnown = (): boolean =>
      probe.engine
        .inspect({ type: 'element', after: '', limit: 100, matches: () => true })
        .objects.some(({ key }) => isOf(2, key));
    while (isKnown()) await nextTurn();
    const from = probe.reports.length;
    probe.engine.submit(d.delta(3, [member(2)]));
    while (!isKnown()) await nextTurn();
    isFailing = false;
    await probe.until(({ version, problems }) => version.sequence === 3n && problems.length === 0, from);
    await probe.engine.settled();
    expect((await driver.observe({ kind: 'all' })).some(({ key }) => isOf(2, key))).toBe(true);
  });

  it('lets nothing through before what it needs was read back', async () => {
    const driver = memory();
    const probe = await start(driver);
    const [apply, observe] = [driver.apply.bind(driver), driver.observe.bind(driver)];
    const unread = new Set<string>();
    const tooEarly: string[] = [];
    driver.apply = (operations) => {
      for (const operation of operations) {
        if (operation.action === 'delete') continue;
        const { key, spec, after } = operation.object;
        if (spec.kind === 'gate' || spec.kind === 'representor')
          tooEarly.push(...after.filter((each) => unread.has(each)));
        unread.add(key);
      }
      return apply(operations);
    };
    driver.observe = (scope) => {
      for (const key of scope.kind === 'keys' ? scope.keys : [...unread]) unread.delete(key);
      return observe(scope);
    };
    await probe.apply(d.document(1, [...NETWORK, port(1), port(2)]));
    expect(driver.kernel.keys().filter((key) => key.startsWith('gate/'))).toHaveLength(4);
    expect(tooEarly).toEqual([]);
    expect(unread.size).toBe(0);
  });

  it('tells of a removal that fails in the name of what is gone, until it succeeds', async () => {
    const driver = faultyDriver(memory());
    const probe = await start(driver);
    await probe.apply(d.document(1, [...NETWORK, port(1)]));
    driver.setFault((operation) =>
      operation.action === 'delete' && operation.observed.kind === 'sender'
        ? { kind: 'failed', error: { code: 'EIO', message: 'injected' } }
        : undefined,
    );
    const from = probe.reports.length;
    probe.engine.submit(d.delta(2, [], ['endpoint/p1']));
    const failed = await probe.until(
      ({ problems }) => problems.some(({ state }) => state === 'FAILED'),
      from,
    );
    expect(failed.problems).toContainEqual(
      expect.objectContaining({
        key: 'endpoint/p1',
        source: { kind: 'Port', tenant: 'acme', name: 'p1' },
        message: expect.stringContaining('injected (EIO)'),
      }),
    );
    driver.setFault(undefined);
    await probe.until(({ problems }) => problems.length === 0);
    expect(probe.engine.snapshot('endpoint/').total).toBe(0);
  });

  it('shows what is wanted and where it stands', async () => {
    const driver = memory();
    const probe = await start(driver);
    await probe.apply(d.document(7, [...NETWORK, port(1), port(2), port(4)]));
    const all = probe.engine.snapshot();
    expect(all.documents).toEqual([
      { owner: 'network', epoch: 'epoch', sequence: 7n, complete: true, objectCount: 5 },
    ]);
    const ports = probe.engine.snapshot('endpoint/', 2);
    expect(ports.total).toBe(3);
    expect(ports.objects.map(({ key }) => key)).toEqual(['endpoint/p1', 'endpoint/p2']);
    for (const { wanted, observed } of ports.objects[0]?.driverObjects ?? [])
      expect(observed).toMatchObject(wanted);
    const [waiting] = probe.engine.snapshot('endpoint/p4').objects;
    expect(waiting?.problem).toMatchObject({ state: 'PENDING', message: 'waits for link/pf0vf4' });
  });

  describe('shows the objects of the dataplane', () => {
    const all = { type: '', after: '', limit: 1000, matches: () => true };

    it('under their netlink names, wanted and read back, with who wants them', async () => {
      const probe = await start(memory());
      await probe.apply(d.document(1, [...NETWORK, port(1)]));
      const { objects, more } = probe.engine.inspect(all);
      expect(more).toBe(false);
      expect(new Set(objects.map(({ type }) => type))).toEqual(
        new Set(['netns', 'table', 'link', 'fdb', 'neigh', 'element', 'filter']),
      );
      for (const { state, wanted, observed } of objects) {
        expect(state).toBe('APPLIED');
        expect(observed).toMatchObject(wanted ?? {});
      }
      const neighbour = objects.find(({ type }) => type === 'neigh');
      expect(neighbour).toMatchObject({
        wanted: { dst: '10.0.0.1', lladdr: MAC(1), ifname: expect.stringMatching(/^obb/) },
        claims: [{ owner: 'network', key: 'endpoint/p1', source: { kind: 'Port', name: 'p1' } }],
      });
    });

    it('in pages in the order of keys, each object once', async () => {
      const probe = await start(memory());
      await probe.apply(d.document(1, [...NETWORK, port(1), port(2), port(3)]));
      const whole = probe.engine.inspect({ ...all, type: 'link' }).objects.map(({ key }) => key);
      expect(whole.length).toBeGreaterThan(6);
      const paged: string[] = [];
      for (let more = true; more; ) {
        const page = probe.engine.inspect({ ...all, type: 'link', limit: 2, after: paged.at(-1) ?? '' });
        expect(page.objects.length).toBeLessThanOrEqual(2);
        paged.push(...page.objects.map(({ key }) => key));
        more = page.more;
      }
      expect(paged).toEqual(whole);
      expect(paged).toEqual([...paged].sort());
    });

    it('with where each stands: what waits, what failed, what is foreign, what is left over', async () => {
      const kernel = memory();
      const driver = faultyDriver(kernel);
      const probe = await start(driver);
      const waiting = () => probe.engine.inspect({ ...all, matches: ({ state }) => state !== 'APPLIED' });
      await probe.apply(d.document(1, [...NETWORK, port(1), port(4)]));
      expect(waiting().objects).toContainEqual(
        expect.objectContaining({ state: 'PENDING', message: 'waits for link/pf0vf4' }),
      );
      driver.setFault((operation) => {
        const { kind } = operation.action === 'delete' ? operation.observed : operation.object.spec;
        const isHit = kind === (operation.action === 'delete' ? 'sender' : 'neighbour');
        return isHit ? { kind: 'failed', error: { code: 'EIO', message: 'injected' } } : undefined;
      });
      const from = probe.reports.length;
      probe.engine.submit(d.delta(2, [port(2)], ['endpoint/p4', 'endpoint/p1']));
      await probe.until(
        ({ problems }) => problems.filter(({ state }) => state === 'FAILED').length > 1,
        from,
      );
      const { objects } = waiting();
      expect(objects).toContainEqual(
        expect.objectContaining({
          type: 'neigh',
          state: 'FAILED',
          message: expect.stringContaining('injected (EIO)'),
        }),
      );
      const leftover = objects.find(({ state }) => state === 'LEFTOVER');
      expect(leftover).toMatchObject({ claims: [], observed: expect.any(Object) });
      expect(leftover?.wanted).toBeUndefined();
    });

    it('and refuses a type that the driver does not have', async () => {
      const probe = await start(memory());
      expect(() => probe.engine.inspect({ ...all, type: 'links' })).toThrow(AppError);
    });
  });
});
