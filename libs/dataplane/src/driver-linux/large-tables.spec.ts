import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AF, type Message, NetlinkSocket, NetworkNamespace, RT_TABLE, RTN, route } from '@outboard/netlink';
import { Testbed } from '@outboard/testbed';
import type { DriverObject } from '../driver.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import { namespaceName } from '../realise/names.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { LinuxDriver } from './linux-driver.js';
import { OUTBOARD_PROTOCOL } from './protocol.js';

const NAME = `t${process.pid.toString(36)}`;
const NETWORKS = ['0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11', '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c12'];
const ROUTERS = ['main', 'other'];
/** More than are asked for one by one, and than are worked off at once. */
const COUNT = 1500;

const keyOfRouter = (router: string): string => `router/acme/${router}`;
const destination = (index: number): string => `11.0.${index >> 8}.${index & 255}/32`;

/** The same destinations in two routers, over another gateway each. */
const tables = (gateways: readonly string[]): d.Entry[] =>
  ROUTERS.flatMap((router, own) => {
    const networkUid = NETWORKS[own] ?? '';
    const hops = [{ gateway: gateways[own] ?? '', weight: 1, networkUid }];
    return [
      d.router('acme', router),
      d.bridgeDomain(networkUid, { router: keyOfRouter(router), vni: 100 + own }),
      ...Array.from({ length: COUNT }, (_, index) => d.route(destination(index), hops, keyOfRouter(router))),
      d.route('fd01::/64', [{ gateway: 'fd00::9', weight: 1, networkUid }], keyOfRouter(router)),
    ];
  });

let testbed: Testbed;
let sequence = 0;
const whole = (entries: readonly d.Entry[]) => d.document(++sequence, entries);
let driver: LinuxDriver;
let probe: EngineProbe<LinuxSpec>;

beforeAll(async () => {
  testbed = await Testbed.create({
    name: NAME,
    dpus: [{ name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: 1 }],
  });
  const { namespace, underlay } = testbed.dpu('dpu-1').plan;
  driver = await LinuxDriver.open({
    dpu: NAME,
    underlayDevice: underlay.device,
    namespace: NetworkNamespace.open({ name: namespace }),
  });
  probe = await EngineProbe.start(driver);
});

afterAll(async () => {
  await probe?.[Symbol.asyncDispose]();
  await driver?.[Symbol.asyncDispose]();
  for (const own of NetworkNamespace.list(`ob-${NAME}-`)) NetworkNamespace.remove(own);
  await testbed?.dispose();
});

/** Sends messages in a router's namespace, as somebody else. */
async function behindItsBack(router: string, messages: readonly Message[]): Promise<void> {
  const namespace = NetworkNamespace.open({ name: namespaceName(NAME, keyOfRouter(router)) });
  const socket = NetlinkSocket.open({ namespace });
  namespace.close();
  expect((await socket.batch(messages)).failures).toEqual([]);
  socket.close();
}

const where = (index: number) => ({
  rtmFamily: AF.INET,
  rtmDstLen: 32,
  rtmTable: RT_TABLE.MAIN,
  rtmProtocol: OUTBOARD_PROTOCOL,
  dst: destination(index).slice(0, -3),
});

/** The routes of the document as they are wanted. */
const wantedRoutes = (entries: readonly d.Entry[]): DriverObject<LinuxSpec>[] =>
  probe.engine
    .snapshot('route/', entries.length)
    .objects.flatMap(({ driverObjects }) =>
      driverObjects.map(({ key, wanted: spec }) => ({ key, spec, after: [] })),
    );

describe('large tables of routes', () => {
  it('come, change and go as a whole, each in its router', async () => {
    const gateways = [
      ['10.0.1.5', '10.0.2.5'],
      ['10.0.1.6', '10.0.2.5'],
    ];
    for (const [index, each] of gateways.entries()) {
      const report = await probe.apply(whole(tables(each)));
      expect(report.problems).toEqual([]);
      const found = (await driver.observe({ kind: 'all' })).filter(({ spec }) => spec.kind === 'route');
      expect(found).toHaveLength(2 * (COUNT + 1));
      for (const [own, router] of ROUTERS.entries()) {
        const namespace = namespaceName(NAME, keyOfRouter(router));
        const hops = found.flatMap(({ spec }) =>
          spec.kind === 'route' && spec.namespace === namespace && spec.destination !== 'fd01::/64'
            ? spec.nextHops
            : [],
        );
        expect(hops).toHaveLength(COUNT);
        expect(new Set(hops.map(({ gateway }) => gateway))).toEqual(new Set([gateways[index]?.[own]]));
      }
    }
    expect((await probe.apply(whole([]))).problems).toEqual([]);
    expect((await driver.observe({ kind: 'all' })).filter(({ spec }) => spec.kind === 'route')).toEqual([]);
  });

  it('are read as what was expected where they are so, and as what they are where they are not', async () => {
    const entries = tables(['10.0.1.5', '10.0.2.5']);
    await probe.apply(whole(entries));
    const expected = wantedRoutes(entries);
    expect(expected).toHaveLength(2 * (COUNT + 1));
    // Nobody repairs what is changed from here on.
    await probe[Symbol.asyncDispose]();
    await behindItsBack('main', [
      route.remove(where(1)),
      route.replace({ ...where(2), rtmType: RTN.BLACKHOLE }),
      route.replace({ ...where(3), rtmType: RTN.BLACKHOLE }),
    ]);
    const keys = expected.map(({ key }) => key);
    const found = await driver.observe({ kind: 'keys', keys, expected });
    const plain = await driver.observe({ kind: 'keys', keys });
    expect(found).toEqual(plain);
    const byKey = new Map(found.map(({ key, spec }) => [key, spec]));
    const isAsExpected = ({ key, spec }: DriverObject<LinuxSpec>): boolean => byKey.get(key) === spec;
    const others = expected.filter((object) => !isAsExpected(object)).map(({ key }) => key);
    const namespace = namespaceName(NAME, keyOfRouter('main'));
    expect(others.filter((key) => !key.includes('fd01')).sort()).toEqual(
      [1, 2, 3].map((index) => `route/${namespace}/${destination(index)}`),
    );
    expect(byKey.has(`route/${namespace}/${destination(1)}`)).toBe(false);
    expect(byKey.get(`route/${namespace}/${destination(2)}`)).toMatchObject({
      type: 'blackhole',
      nextHops: [],
    });
  });
});
