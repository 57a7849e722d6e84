import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AF, address, link, linkByName, RT_TABLE, route, withSocket } from '@outboard/netlink';
import type { Dpu, Endpoint } from './places.js';
import type { Pod } from './pod.js';
import type { PortStatus } from './port-status.js';
import { ping, waitReachable } from './probes/ping.js';
import { Testbed } from './testbed.js';
import { bridgeAll, specification } from './testing.js';

const status: PortStatus = {
  mtu: 1450,
  macAddress: '02:00:5e:00:10:05',
  addresses: [
    { ip: '10.0.1.5', prefixLength: 24, gateway: '10.0.1.1' },
    { ip: 'fd00:1::5', prefixLength: 64, gateway: 'fd00:1::1' },
  ],
};
const at = (ip: string): PortStatus => ({ mtu: 1500, addresses: [{ ip, prefixLength: 24 }] });

let testbed: Testbed;
let dpu: Dpu;
let pod: Pod;

beforeAll(async () => {
  testbed = await Testbed.create(specification(2, 4));
  dpu = testbed.dpu('dpu-1');
  pod = await testbed.createPod({ name: 'web', host: 'host-dpu-1' });
});

afterAll(() => testbed.dispose());

async function look(place: Endpoint, device: string) {
  const { links, addresses, routes } = await withSocket(place.namespace, async (socket) => ({
    links: await socket.dump(link.dump()),
    addresses: await socket.dump(address.dump()),
    routes: await socket.dump(route.dump({ rtmTable: RT_TABLE.MAIN })),
  }));
  const own = links.find(({ ifname }) => ifname === device);
  return {
    link: own,
    addresses: addresses
      .filter(({ ifaIndex, ifaScope }) => ifaIndex === own?.ifiIndex && ifaScope === 0)
      .map(({ address: ip, ifaPrefixlen }) => `${ip}/${ifaPrefixlen}`),
    gateways: routes
      .filter(({ oif, rtmDstLen, gateway }) => oif === own?.ifiIndex && rtmDstLen === 0 && gateway)
      .map(({ rtmFamily, gateway }) => `${rtmFamily === AF.INET ? 'IPv4' : 'IPv6'} ${gateway}`),
  };
}

describe('a pod', () => {
  it('has the function with the address, MAC, MTU and routes of its port, and gives it back as it was', async () => {
    const before = await linkByName(dpu.host.socket, 'enp1s0f0v3');
    await pod.attach(dpu, 3, status);
    const seen = await look(pod, 'eth0');
    expect(seen.link).toMatchObject({ address: '02:00:5e:00:10:05', mtu: 1450 });
    expect(seen.addresses).toEqual(['10.0.1.5/24', 'fd00:1::5/64']);
    expect(seen.gateways).toEqual(['IPv4 10.0.1.1', 'IPv6 fd00:1::1']);
    expect(pod.addresses).toEqual(['10.0.1.5', 'fd00:1::5']);
    expect(await linkByName(dpu.host.socket, 'enp1s0f0v3')).toBeUndefined();

    await pod.detach();
    const { address: mac, mtu, ifiFlags } = before ?? {};
    expect(await linkByName(dpu.host.socket, 'enp1s0f0v3')).toMatchObject({ address: mac, mtu, ifiFlags });
    expect(await look(pod, 'eth0')).toMatchObject({ link: undefined });
    expect(pod.addresses).toEqual([]);
  });

  it('accepts a gateway outside its prefix', async () => {
    const addresses = [{ ip: '10.0.1.5', prefixLength: 32, gateway: '169.254.1.1' }];
    await pod.attach(dpu, 0, { mtu: 1500, addresses });
    expect(await look(pod, 'eth0')).toMatchObject({ gateways: ['IPv4 169.254.1.1'] });
    await pod.detach();
  });

  it('routes by its first device when it has several', async () => {
    await pod.attach(dpu, 0, { ...status, macAddress: '' });
    const addresses = [{ ip: '10.0.2.5', prefixLength: 24, gateway: '10.0.2.1' }];
    await pod.attach(dpu, 1, { mtu: 1500, addresses }, 'eth1');
    expect((await look(pod, 'eth0')).gateways).toEqual(['IPv4 10.0.1.1', 'IPv6 fd00:1::1']);
    expect(await look(pod, 'eth1')).toMatchObject({ addresses: ['10.0.2.5/24'], gateways: [] });
    await pod.detach('eth1');
    await pod.detach('eth0');
  });

  it('can hold the physical function, as a pod on the host network does', async () => {
    await pod.attach(dpu, undefined, at('10.0.1.6'));
    expect((await look(pod, 'eth0')).link).toMatchObject({ address: '08:c0:eb:00:00:01' });
    await pod.detach();
  });

  it('leaves the physical function to the host that has connected it, which reaches its network by it', async () => {
    const { host } = dpu;
    const device = 'enp1s0f0';
    const before = await linkByName(host.socket, device);
    await host.connect(dpu, status);
    const seen = await look(host, device);
    expect(seen.link).toMatchObject({ address: '02:00:5e:00:10:05', mtu: 1450 });
    expect(seen.addresses).toEqual(['10.0.1.5/24', 'fd00:1::5/64']);
    expect(seen.gateways).toEqual(['IPv4 10.0.1.1', 'IPv6 fd00:1::1']);
    await expect(pod.attach(dpu, undefined, at('10.0.1.6'))).rejects.toThrow(
      'pf0hpf of dpu-1 is used by host host-dpu-1',
    );
    await expect(host.connect(testbed.dpu('dpu-2'), status)).rejects.toThrow(
      'dpu-2 is in host host-dpu-2, not in host-dpu-1',
    );
    await expect(host.connect(dpu, { mtu: 1, addresses: [] })).rejects.toMatchObject({
      violations: [{ field: 'mtu' }],
    });

    await host.disconnect(dpu);
    const { address: mac, mtu, ifiFlags } = before ?? {};
    const after = await look(host, device);
    expect(after.link).toMatchObject({ address: mac, mtu, ifiFlags });
    expect([after.addresses, after.gateways]).toEqual([[], []]);
  });

  it('refuses a function that another pod has, of another host, or that does not exist', async () => {
    const other = await testbed.createPod({ name: 'other', host: 'host-dpu-1' });
    await pod.attach(dpu, 2, at('10.0.1.5'));
    await expect(other.attach(dpu, 2, at('10.0.1.6'))).rejects.toThrow(
      'pf0vf2 of dpu-1 is used by eth0 of pod web',
    );
    await expect(pod.attach(dpu, 1, at('10.0.1.6'))).rejects.toThrow('pod web already has eth0');
    await expect(other.attach(testbed.dpu('dpu-2'), 2, at('10.0.1.6'))).rejects.toThrow(
      'pf0vf2 of dpu-2 belongs to host host-dpu-2, pod other is on host-dpu-1',
    );
    await expect(other.attach(dpu, 4, at('10.0.1.6'))).rejects.toThrow(
      'dpu-1 has no function 4 (it has 4 VFs)',
    );
    await pod.detach();
    await testbed.removePod('other');
  });

  it('tells every problem of a status', async () => {
    const addresses = [
      { ip: '10.0.1', prefixLength: 24 },
      { ip: '10.0.1.5', prefixLength: 33, gateway: 'fd00::1' },
    ];
    await expect(pod.attach(dpu, 0, { mtu: 100, macAddress: 'x', addresses }, 'eth 0')).rejects.toMatchObject(
      {
        violations: [
          { field: 'device' },
          { field: 'mtu' },
          { field: 'macAddress' },
          { field: 'addresses[0].ip' },
          { field: 'addresses[1].prefixLength' },
          { field: 'addresses[1].gateway' },
        ],
      },
    );
  });

  it('has given the function back when the kernel refuses a part of the status', async () => {
    const twice = [
      { ip: '10.0.1.5', prefixLength: 24 },
      { ip: '10.0.1.5', prefixLength: 24 },
    ];
    await expect(pod.attach(dpu, 0, { mtu: 1500, addresses: twice })).rejects.toMatchObject({
      code: 'INTERNAL',
      metadata: { errno: 'EEXIST' },
    });
    expect(await linkByName(dpu.host.socket, 'enp1s0f0v0')).toBeDefined();
    await pod.attach(dpu, 0, at('10.0.1.5'));
    await pod.detach();
  });

  it('gets a function again that was deleted on the DPU while it was attached', async () => {
    await pod.attach(dpu, 0, at('10.0.1.5'));
    await dpu.socket.send(link.remove({ ifiIndex: dpu.function(0).index }));
    await pod.detach();
    await pod.attach(dpu, 0, at('10.0.1.5'));
    expect(await linkByName(dpu.socket, 'pf0vf0')).toBeDefined();
    expect((await look(pod, 'eth0')).addresses).toEqual(['10.0.1.5/24']);
    await pod.detach();
  });

  it('gives its functions back when it is removed', async () => {
    const short = await testbed.createPod({ name: 'short', host: 'host-dpu-1' });
    await short.attach(dpu, 0, at('10.0.1.5'));
    await testbed.removePod('short');
    expect(await linkByName(dpu.host.socket, 'enp1s0f0v0')).toBeDefined();
    await testbed.createPod({ name: 'short', host: 'host-dpu-1' });
  });

  it('reaches another pod only once the DPU connects their representors', async () => {
    const peer = await testbed.createPod({ name: 'peer', host: 'host-dpu-1' });
    await pod.attach(dpu, 0, at('10.0.1.5'));
    await peer.attach(dpu, 1, at('10.0.1.6'));
    expect(await ping(pod, '10.0.1.6', { timeoutMilliseconds: 100 })).toMatchObject({ received: 0 });
    await bridgeAll(dpu);
    await waitReachable(pod, '10.0.1.6');
    await peer.detach();
    expect(await ping(pod, '10.0.1.6', { timeoutMilliseconds: 100 })).toMatchObject({ received: 0 });
    await pod.detach();
  });
});
