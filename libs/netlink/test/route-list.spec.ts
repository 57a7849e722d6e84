import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AF,
  listRoutes,
  NetlinkSocket,
  parseIpv4,
  type Route,
  RT_TABLE,
  RTN,
  route,
  routeStamp,
} from '../src/index.js';
import { withBridge } from './bridge.js';
import { Namespaces } from './namespaces.js';

const PROTOCOL = 200;
const OURS = { rtmFamily: AF.INET, rtmTable: RT_TABLE.MAIN, rtmProtocol: PROTOCOL };
const namespaces = new Namespaces();
let socket: NetlinkSocket;

const ipv4 = (dst: string, rtmDstLen: number, way: object = {}) => ({
  ...OURS,
  rtmDstLen,
  rtmType: RTN.UNICAST,
  dst,
  gateway: '10.0.0.9',
  ...way,
});

/** Routes of all sorts, the alike and the different mixed. */
const ROUTES = [
  ...Array.from({ length: 300 }, (_, index) => ipv4(`11.0.${index >> 8}.${index & 255}`, 32)),
  ipv4('0.0.0.0', 0),
  ipv4('12.0.0.0', 8),
  ipv4('13.0.0.0', 16, { gateway: '10.0.0.10' }),
  ipv4('14.0.0.0', 16, { metrics: { mtu: 1300 } }),
  ipv4('14.1.0.0', 16, { metrics: { mtu: 1400 } }),
  ipv4('15.0.0.0', 24, { gateway: undefined, rtmType: RTN.BLACKHOLE }),
  ipv4('15.0.1.0', 24, { gateway: undefined, rtmType: RTN.UNREACHABLE }),
  ipv4('16.0.0.0', 24, {
    gateway: undefined,
    multipath: [
      { gateway: '10.0.0.9', rtnhHops: 0 },
      { gateway: '10.0.0.10', rtnhHops: 3 },
    ],
  }),
  ...['fd01::', 'fd02::'].map((dst) => ({
    ...ipv4(dst, 64, { gateway: undefined, oif: 2 }),
    rtmFamily: AF.INET6,
  })),
];

beforeEach(async () => {
  const namespace = namespaces.create('a');
  socket = NetlinkSocket.open({ namespace });
  await withBridge(socket);
});

afterEach(() => {
  socket.close();
  namespaces.clear();
});

const dumped = (): Promise<Route[]> => socket.dump(route.dump({ rtmProtocol: PROTOCOL }));
const dottedQuad = (value: number): string =>
  [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');

describe('a list of routes', () => {
  it('tells what a dump tells, of the alike as of the different', async () => {
    expect((await socket.batch(ROUTES.map((each) => route.create(each)))).failures).toEqual([]);
    const listed = await socket.dump(
      listRoutes({ rtmProtocol: PROTOCOL }),
      ({ address, prefixLength, route }): Route =>
        address < 0 ? route : { ...route, dst: dottedQuad(address), rtmDstLen: prefixLength },
    );
    expect(listed).toEqual(await dumped());
    expect(listed).toHaveLength(ROUTES.length);
  });

  it('decodes what neighbours have in common once', async () => {
    await socket.batch(ROUTES.slice(0, 300).map((each) => route.create(each)));
    const decoded = await socket.dump(listRoutes(OURS), ({ route }) => route);
    expect(decoded).toHaveLength(300);
    expect(new Set(decoded).size).toBe(1);
  });
});

describe('stamped messages', () => {
  it('do what messages of their own do', async () => {
    const way = { metrics: { mtu: 1300 } };
    const wanted = ['11.0.0.0/32', '12.0.0.0/8', '0.0.0.0/0', '13.0.0.128/25'].map((text) => {
      const [dst = '', length = ''] = text.split('/');
      return ipv4(dst, Number(length), way);
    });
    const stamp = routeStamp(route.create(ipv4('1.2.3.4', 32, way)));
    const stamped = wanted.map(({ dst, rtmDstLen }) => stamp(parseIpv4(dst), rtmDstLen));
    expect((await socket.batch(stamped)).failures).toEqual([]);
    const found = await dumped();
    const remove = routeStamp(route.remove({ ...OURS, rtmDstLen: 32, dst: '1.2.3.4' }));
    expect(
      (await socket.batch(wanted.map(({ dst, rtmDstLen }) => remove(parseIpv4(dst), rtmDstLen)))).failures,
    ).toEqual([]);
    expect(await dumped()).toEqual([]);
    await socket.batch(wanted.map((each) => route.create(each)));
    expect(found).toEqual(await dumped());
  });

  it('fail, each of them, if what they have in common cannot be encoded', async () => {
    const stamp = routeStamp(route.create(ipv4('1.2.3.4', 32, { gateway: 'x' })));
    const { failures } = await socket.batch([stamp(0x0b000000, 32), stamp(0x0b000001, 32)]);
    expect(failures).toEqual([0, 1].map((index) => expect.objectContaining({ index, code: 'EINVAL' })));
  });
});
