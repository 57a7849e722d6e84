import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NetworkNamespace } from '@outboard/ffi';
import {
  AF,
  address,
  link,
  type MonitorOptions,
  type NetlinkEvent,
  NetlinkMonitor,
  NetlinkSocket,
  NFPROTO,
  NTF,
  NUD,
  neighbour,
  type ProtocolName,
  RTN,
  route,
} from '../src/index.js';
import { withBridge } from './bridge.js';
import { Namespaces, run } from './namespaces.js';

/** What a monitor has told so far, and a way to wait for more. */
class Log {
  readonly events: NetlinkEvent[] = [];
  readonly overruns: Error[] = [];
  #check = (): void => undefined;

  readonly onEvents = (events: readonly NetlinkEvent[]): void => {
    this.events.push(...events);
    this.#check();
  };

  readonly onOverrun = (cause: Error): void => {
    this.overruns.push(cause);
    this.#check();
  };

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (condition()) resolve();
      };
      this.#check();
    });
  }

  /** Waits for an event of the family, the operation and (part of) the value. */
  async event(family: string, operation: string, value: object): Promise<void> {
    await this.until(() =>
      this.events.some((event) => {
        if (event.family !== family || event.operation !== operation) return false;
        const own = event.value as Record<string, unknown>;
        return Object.entries(value).every(([name, part]) => own[name] === part);
      }),
    );
  }
}

const namespaces = new Namespaces();
const monitors: NetlinkMonitor[] = [];
let namespace: NetworkNamespace;
let socket: NetlinkSocket;

function watch<P extends ProtocolName = 'route'>(
  options: Pick<MonitorOptions<P>, 'groups' | 'protocol' | 'receiveBufferBytes' | 'exceptRoutesOf'>,
  own = namespace,
): Log {
  const log = new Log();
  const { onEvents, onOverrun } = log;
  monitors.push(NetlinkMonitor.open({ ...options, namespace: own, onEvents, onOverrun }));
  return log;
}

beforeEach(async () => {
  namespace = namespaces.create('m');
  socket = NetlinkSocket.open({ namespace });
  await withBridge(socket);
});

afterEach(() => {
  for (const monitor of monitors.splice(0)) monitor.close();
  socket.close();
  namespaces.clear();
});

const routeTo = (index: number) =>
  route.replace({
    rtmFamily: AF.INET,
    rtmDstLen: 32,
    rtmTable: 254,
    rtmProtocol: 200,
    rtmType: RTN.UNICAST,
    dst: 0x0b000000 + index,
    gateway: '10.0.0.9',
  });

describe('a monitor', () => {
  it('tells of links, ports, addresses, routes and neighbours, whoever changed them', async () => {
    const log = watch({ groups: ['link', 'ipv4Ifaddr', 'ipv4Route', 'neigh'] });
    run(namespace, 'ip', ['link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1']);
    run(namespace, 'ip', ['link', 'set', 'v0', 'master', 'br0']);
    run(namespace, 'ip', ['address', 'add', '10.0.0.2/24', 'dev', 'br0']);
    run(namespace, 'ip', ['route', 'add', '11.0.0.1/32', 'via', '10.0.0.9']);
    run(namespace, 'ip', ['route', 'del', '11.0.0.1/32']);
    await socket.send(
      neighbour.replace({
        ndmFamily: AF.BRIDGE,
        ndmIfindex: (await socket.get(link.get({ ifname: 'v0' }))).ifiIndex,
        ndmState: NUD.NOARP,
        ndmFlags: NTF.MASTER,
        lladdr: '02:00:5e:00:10:05',
      }),
    );
    await log.event('link', 'new', { ifname: 'v0' });
    await log.event('bridgePort', 'new', { ifname: 'v0', master: 2 });
    await log.event('address', 'new', { local: '10.0.0.2' });
    await log.event('route', 'new', { dst: '11.0.0.1', gateway: '10.0.0.9' });
    await log.event('route', 'delete', { dst: '11.0.0.1' });
    await log.event('neighbour', 'new', { ndmFamily: AF.BRIDGE, lladdr: '02:00:5e:00:10:05' });
    expect(log.overruns).toEqual([]);
  });

  it('a device that leaves its bridge is a port that went, not a device', async () => {
    run(namespace, 'ip', ['link', 'add', 'v0', 'master', 'br0', 'type', 'veth', 'peer', 'name', 'v1']);
    const log = watch({ groups: ['link'] });
    run(namespace, 'ip', ['link', 'set', 'v0', 'nomaster']);
    await log.event('bridgePort', 'delete', { ifname: 'v0' });
    run(namespace, 'ip', ['link', 'set', 'v0', 'up']);
    await log.event('link', 'new', { ifname: 'v0' });
    expect(log.events.filter(({ family, operation }) => family === 'link' && operation === 'delete')).toEqual(
      [],
    );
  });

  it('loses nothing of a storm that its buffer holds', async () => {
    const log = watch({ groups: ['ipv4Route'], receiveBufferBytes: 32 << 20 });
    const batch = await socket.batch(Array.from({ length: 10_000 }, (_, index) => routeTo(index)));
    expect(batch.failures).toEqual([]);
    await log.until(() => log.events.length >= 10_000);
    expect(log.events).toHaveLength(10_000);
    expect(log.overruns).toEqual([]);
  });

  it('that was overrun says so, once it is read, and tells of what comes later', async () => {
    const log = watch({ groups: ['ipv4Route'], receiveBufferBytes: 4096 });
    const lines = Array.from(
      { length: 500 },
      (_, index) => `route add 11.0.${index >> 8}.${index & 255} via 10.0.0.9`,
    );
    // The loop is blocked while ip(8) runs, so that nobody reads.
    run(namespace, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`);
    await log.until(() => log.overruns.length > 0);
    expect(log.overruns[0]).toMatchObject({ syscall: 'recv', code: 'ENOBUFS' });
    expect(log.events.length).toBeLessThan(500);
    await socket.send(routeTo(100_000));
    await log.event('route', 'new', { dst: '11.1.134.160' });
  });

  it('that is drained has told of everything that happened before', async () => {
    const log = watch({ groups: ['ipv4Route'] });
    const count = 2000;
    await socket.batch(Array.from({ length: count }, (_, index) => routeTo(index)));
    for (const monitor of monitors) monitor.drain();
    expect(log.events).toHaveLength(count);
  });

  it('is drained together with others, of which most have nothing to tell', async () => {
    const quiet = Array.from({ length: 100 }, () => watch({ groups: ['link'] }));
    const log = watch({ groups: ['ipv4Route'] });
    await socket.batch([routeTo(1)]);
    NetlinkMonitor.drainAll(monitors);
    expect(log.events).toHaveLength(1);
    expect(quiet.flatMap(({ events }) => events)).toEqual([]);
    // More at once than one question can tell.
    await socket.send(link.create({ ifname: 'late', linkinfo: { kind: 'bridge' } }));
    NetlinkMonitor.drainAll(monitors);
    for (const { events } of quiet) expect(events.length).toBeGreaterThan(0);
  });

  it('that is to except the routes of a socket hears of those of others, and of all else', async () => {
    const log = watch({ groups: ['ipv4Route', 'ipv4Ifaddr'], exceptRoutesOf: socket });
    await socket.batch([routeTo(1)]);
    run(namespace, 'ip', ['route', 'add', '12.0.0.0/8', 'via', '10.0.0.9']);
    await socket.batchOffThread([
      route.remove({ rtmFamily: AF.INET, rtmDstLen: 32, rtmTable: 254, dst: '11.0.0.1' }),
    ]);
    await socket.batch([
      address.create({
        ifaFamily: AF.INET,
        ifaPrefixlen: 32,
        ifaIndex: 2,
        local: '10.9.0.1',
        address: '10.9.0.1',
      }),
    ]);
    await log.event('address', 'new', { local: '10.9.0.1' });
    const destinations = log.events.flatMap((event) =>
      event.family === 'route' && event.value.rtmTable === 254 ? [event.value.dst] : [],
    );
    expect(destinations).toEqual(['12.0.0.0']);
  });

  it('hears its own namespace only', async () => {
    const other = namespaces.create('o');
    const otherLog = watch({ groups: ['link'] }, other);
    const log = watch({ groups: ['link'] });
    await socket.send(link.create({ ifname: 'here', linkinfo: { kind: 'bridge' } }));
    const otherSocket = NetlinkSocket.open({ namespace: other });
    await otherSocket.send(link.create({ ifname: 'there', linkinfo: { kind: 'bridge' } }));
    otherSocket.close();
    await log.event('link', 'new', { ifname: 'here' });
    await otherLog.event('link', 'new', { ifname: 'there' });
    const names = (own: Log): unknown[] => [
      ...new Set(own.events.map(({ value }) => 'ifname' in value && value.ifname)),
    ];
    expect(names(log)).toEqual(['here']);
    expect(names(otherLog)).toEqual(['there']);
  });

  it('of nftables tells of elements and generations', async () => {
    run(namespace, 'nft', ['-f', '-'], 'table inet ob {\n set s { type inet_service; }\n}\n');
    const log = watch({ protocol: 'netfilter', groups: ['nftables'] });
    run(namespace, 'nft', ['add', 'element', 'inet', 'ob', 's', '{', '443', '}']);
    run(namespace, 'nft', ['delete', 'table', 'inet', 'ob']);
    await log.event('nftTable', 'delete', { name: 'ob' });
    expect(log.events.find(({ family }) => family === 'nftSetElement')).toEqual({
      family: 'nftSetElement',
      operation: 'new',
      value: expect.objectContaining({
        nfgenFamily: NFPROTO.INET,
        table: 'ob',
        set: 's',
        elements: [{ key: { value: Uint8Array.of(1, 187) } }],
      }),
    });
    expect(log.events.filter(({ family }) => family === 'nftGeneration')).not.toHaveLength(0);
  });

  it('that was closed gives back its descriptor and is silent, also when closed by its own callback', async () => {
    const witness = watch({ groups: ['link'] });
    const before = readdirSync('/proc/self/fd').length;
    let calls = 0;
    const monitor = NetlinkMonitor.open({
      namespace,
      groups: ['link'],
      onEvents: () => {
        calls++;
        monitor.close();
      },
      onOverrun: () => {
        calls++;
      },
    });
    await socket.send(link.create({ ifname: 'b1', linkinfo: { kind: 'bridge' } }));
    await witness.until(() => calls === 1);
    await socket.send(link.create({ ifname: 'b2', linkinfo: { kind: 'bridge' } }));
    await witness.event('link', 'new', { ifname: 'b2' });
    monitor.close();
    expect(calls).toBe(1);
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
  });
});
