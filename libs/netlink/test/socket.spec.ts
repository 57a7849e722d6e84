import { readdirSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NetworkNamespace } from '@outboard/ffi';
import {
  AF,
  link,
  type Message,
  NetlinkError,
  NetlinkSocket,
  NLM_F,
  nftTable,
  RTN,
  route,
} from '../src/index.js';
import { withBridge } from './bridge.js';
import { Namespaces, show } from './namespaces.js';

const namespaces = new Namespaces();
let namespace: NetworkNamespace;
let socket: NetlinkSocket;

const routeTo = (index: number, gateway: string | number = 0x0a000009): Message =>
  route.replace({
    rtmFamily: AF.INET,
    rtmDstLen: 32,
    rtmTable: 254,
    rtmProtocol: 200,
    rtmType: RTN.UNICAST,
    dst: 0x0b000000 + index,
    gateway,
  });

const countRoutes = async (own: NetlinkSocket): Promise<number> =>
  (await own.dump(route.dump({ rtmFamily: AF.INET, rtmProtocol: 200 }))).length;

beforeEach(async () => {
  namespace = namespaces.create('a');
  socket = NetlinkSocket.open({ namespace });
  await withBridge(socket);
});

afterEach(() => {
  socket.close();
  namespaces.clear();
});

it('a device that is asked for at once is as a get tells it; one that is not there is none', async () => {
  const { ifiIndex, address, mtu } = await socket.get(link.get({ ifname: 'br0' }));
  expect(socket.quickLink('br0')).toEqual({ ifiIndex, address, mtu });
  expect(socket.quickLink('none')).toBeUndefined();
});

describe('a batch', () => {
  it('tells of every message that failed, in the kernel’s words, and applies the others', async () => {
    const messages = Array.from({ length: 1000 }, (_, index) => {
      if (index === 999) return routeTo(index, '10.0.0.1.1');
      return routeTo(index, index % 100 === 7 ? '172.16.0.1' : 0x0a000009);
    });
    messages[300] = link.create({ ifname: 'br0', linkinfo: { kind: 'bridge' } });
    messages[301] = link.remove({ ifname: 'none' });
    messages[302] = link.create({ ifname: 'x', linkinfo: { kind: 'vxlan', data: { id: 2 ** 24 } } });
    const { total, failures } = await socket.batch(messages);
    expect(total).toBe(1000);
    expect(failures.map(({ index }) => index)).toEqual([
      7, 107, 207, 300, 301, 302, 307, 407, 507, 607, 707, 807, 907, 999,
    ]);
    expect(failures[0]).toEqual({
      index: 7,
      errno: 101,
      code: 'ENETUNREACH',
      message: 'Nexthop has invalid gateway',
    });
    expect(failures[3]).toMatchObject({ code: 'EEXIST' });
    expect(failures[4]).toMatchObject({ code: 'ENODEV' });
    expect(failures[5]).toMatchObject({ code: 'ERANGE' });
    expect(failures.at(-1)).toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining('route.gateway'),
    });
    expect(await countRoutes(socket)).toBe(1000 - 14);
    expect(show(namespace, 'ip', '-j', 'route', 'show', 'proto', '200')).toHaveLength(1000 - 14);
  });

  it('of none, of one, and of messages that all fail to encode, is a result', async () => {
    expect(await socket.batch([])).toEqual({ total: 0, failures: [] });
    expect(await socket.batch([routeTo(1)])).toEqual({ total: 1, failures: [] });
    const { failures } = await socket.batch([routeTo(1, 'x'), routeTo(2, 'y')]);
    expect(failures.map(({ index, code }) => [index, code])).toEqual([
      [0, 'EINVAL'],
      [1, 'EINVAL'],
    ]);
  });

  it('that is large lets a small one in between, and timers run meanwhile', async () => {
    const order: string[] = [];
    const large = socket
      .batch(Array.from({ length: 5000 }, (_, index) => routeTo(index)))
      .then(() => order.push('large'));
    await nextTurn();
    const small = socket.batch([routeTo(100_000)]).then(() => order.push('small'));
    const immediate = nextTurn().then(() => order.push('turn'));
    await Promise.all([large, small, immediate]);
    expect(order.at(-1)).toBe('large');
    expect(order.slice(0, 2).sort()).toEqual(['small', 'turn']);
    expect(await countRoutes(socket)).toBe(5001);
  });

  it('takes a generator, which makes messages only as they are sent', async () => {
    let made = 0;
    function* messages() {
      for (; made < 1000; made++) yield routeTo(made, made === 500 ? 'x' : 0x0a000009);
    }
    const batch = socket.batch(messages());
    expect(made).toBeLessThan(200);
    expect(await batch).toMatchObject({ total: 1000, failures: [{ index: 500, code: 'EINVAL' }] });
    expect(await countRoutes(socket)).toBe(999);
  });

  it('of messages of another protocol is a bug and throws', async () => {
    await expect(socket.batch([nftTable.create({ name: 'x' })])).rejects.toThrow(
      'no message of the route protocol',
    );
  });
});

describe('off the main thread', () => {
  it('failures are told in the same way, and calls keep their order', async () => {
    const results = await Promise.all([
      socket.batchOffThread([
        link.create({ ifname: 'v0', linkinfo: { kind: 'veth' } }),
        link.remove({ ifname: 'none' }),
      ]),
      socket.batchOffThread([link.remove({ ifname: 'v0' })]),
      socket.batchOffThread([link.remove({ ifname: 'v0' })]),
    ]);
    expect(results.map(({ failures }) => failures.map(({ index, code }) => `${index} ${code}`))).toEqual([
      ['1 ENODEV'],
      [],
      ['0 ENODEV'],
    ]);
  });

  it('other requests go on while it blocks in the kernel', async () => {
    const order: string[] = [];
    await socket.batch(
      Array.from({ length: 3 }, (_, index) =>
        link.create({ ifname: `v${index}`, linkinfo: { kind: 'veth' } }),
      ),
    );
    const slow = socket
      .batchOffThread(Array.from({ length: 3 }, (_, index) => link.remove({ ifname: `v${index}` })))
      .then(() => order.push('slow'));
    const turn = nextTurn().then(() => order.push('turn'));
    await Promise.all([slow, turn]);
    expect(order).toEqual(['turn', 'slow']);
  });
});

describe('get and send', () => {
  it('throw what the kernel refused, with the request, the errno and its text', async () => {
    await expect(socket.get(link.get({ ifname: 'none' }))).rejects.toMatchObject({
      code: 'ENODEV',
      request: 'get link',
    });
    await expect(socket.send(routeTo(1, '172.16.0.1'))).rejects.toThrow(
      new NetlinkError('new route', 101, 'Nexthop has invalid gateway'),
    );
    await expect(socket.send(routeTo(1, '172.16.0.1'))).rejects.toThrow(
      'new route: Nexthop has invalid gateway (ENETUNREACH)',
    );
    await expect(socket.send(link.create({ ifname: 'br0', mtu: -1 }))).rejects.toThrow('link.mtu: must be');
    expect(await socket.get(link.get({ ifiIndex: 2 }))).toMatchObject({ ifname: 'br0' });
  });
});

describe('dumps', () => {
  it('under constant change are consistent or refused with EINTR, and others are served meanwhile', async () => {
    await socket.batch(Array.from({ length: 20_000 }, (_, index) => routeTo(index)));
    let stop = false;
    let changes = 0;
    const changer = (async () => {
      for (; !stop; changes++) {
        await socket.batch([routeTo(changes % 20_000, 0x0a000007 + (changes % 2))]);
        await nextTurn();
      }
    })();
    const outcomes = await Promise.allSettled([countRoutes(socket), countRoutes(socket)]);
    stop = true;
    await changer;
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') expect(outcome.value).toBe(20_000);
      else expect(outcome.reason).toMatchObject({ code: 'EINTR' });
    }
    expect(changes).toBeGreaterThan(0);
    expect(await countRoutes(socket)).toBe(20_000);
  });

  it('that the kernel refuses say why', async () => {
    await expect(socket.dump(link.dump({ mtu: 1 }))).rejects.toThrow(
      'get link: Unsupported attribute in link dump request',
    );
    expect((await socket.dump(link.dump())).length).toBe(2);
  });
});

describe('sockets in several namespaces at once', () => {
  it('each see and change their own', async () => {
    const others = Array.from({ length: 8 }, (_, index) => namespaces.create(`n${index}`));
    const sockets = others.map((other) => NetlinkSocket.open({ namespace: other }));
    try {
      await Promise.all(
        sockets.map(async (own, index) => {
          await withBridge(own);
          await own.batch(Array.from({ length: 300 * (index + 1) }, (_, count) => routeTo(count)));
        }),
      );
      expect(await Promise.all(sockets.map(countRoutes))).toEqual(
        others.map((_, index) => 300 * (index + 1)),
      );
      expect(await countRoutes(socket)).toBe(0);
    } finally {
      for (const own of sockets) own.close();
    }
  });
});

describe('closing', () => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length;

  it('gives back every descriptor; what runs off the main thread ends first, the rest rejects', async () => {
    const before = descriptors();
    const own = NetlinkSocket.open({ namespace });
    expect(descriptors()).toBe(before + 3);
    const running = own.batchOffThread([link.create({ ifname: 'v0', linkinfo: { kind: 'veth' } })]);
    await nextTurn();
    own.close();
    own.close();
    expect(await running).toEqual({ total: 1, failures: [] });
    await expect(own.batch([routeTo(1)])).rejects.toThrow('closed');
    await expect(own.get(link.get({ ifiIndex: 2 }))).rejects.toThrow('closed');
    await expect(own.dump(link.dump())).rejects.toThrow('closed');
    await expect(own.batchOffThread([routeTo(1)])).rejects.toThrow('closed');
    expect(descriptors()).toBe(before);
  });

  it('while a large batch is under way rejects that batch', async () => {
    const own = NetlinkSocket.open({ namespace });
    const batch = own.batch(Array.from({ length: 5000 }, (_, index) => routeTo(index, 0x0a000003)));
    await nextTurn();
    own.close();
    await expect(batch).rejects.toThrow('closed');
  });
});

it('a message that asks for its own answer does not disturb the batch', async () => {
  const { failures } = await socket.batch([
    link.create({ ifname: 'e0', linkinfo: { kind: 'veth' } }, NLM_F.ECHO | NLM_F.ACK),
    routeTo(1),
  ]);
  expect(failures).toEqual([]);
});
