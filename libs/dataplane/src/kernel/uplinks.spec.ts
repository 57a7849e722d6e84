import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FUNCTION_GROUP } from '@outboard/contracts';
import { link, NetlinkSocket, NetworkNamespace, upFlags } from '@outboard/netlink';
import { type Device, deviceOf, OUTBOARD_GROUP } from './device.js';
import { touchesUplinks, uplinksAmong } from './uplinks.js';

const NAMESPACE = `ob-uplinks-${process.pid}`;

describe('the uplinks of a DPU', () => {
  let namespace: NetworkNamespace;
  let devices: Device[];
  const named = (name: string): Device => {
    const device = devices.find((each) => each.name === name);
    if (device === undefined) throw new Error(`there is no ${name}`);
    return device;
  };

  beforeAll(async () => {
    namespace = NetworkNamespace.create(NAMESPACE);
    const socket = NetlinkSocket.open({ namespace });
    const veth = (ifname: string, peer: string, more: object = {}) =>
      link.create({ ifname, linkinfo: { kind: 'veth', data: { peer: { ifname: peer } } }, ...more });
    await socket.batch([
      veth('up0', 'far0', { mtu: 9000, ...upFlags() }),
      veth('pf0vf0', 'vf0'),
      veth('made', 'far1', { group: FUNCTION_GROUP }),
      veth('ours', 'far2', { group: OUTBOARD_GROUP }),
      link.create({ ifname: 'br0', linkinfo: { kind: 'bridge' } }),
    ]);
    devices = (await socket.dump(link.dump())).map(deviceOf);
    socket.close();
  });
  afterAll(() => {
    namespace.close();
    NetworkNamespace.remove(NAMESPACE);
  });

  it('are what is neither a representor nor ours, with what their drivers say of them', () => {
    const uplinks = uplinksAmong(devices, namespace);
    expect(uplinks.map(({ name }) => name)).toEqual(['far0', 'far1', 'far2', 'up0', 'vf0']);
    expect(uplinks.find(({ name }) => name === 'up0')).toEqual({
      name: 'up0',
      macAddress: named('up0').address,
      mtu: 9000,
      up: true,
      carrier: false,
      speedMbps: 10_000,
      driver: 'veth',
      firmwareVersion: '',
    });
  });

  it('are asked once, and again when they have changed', () => {
    const far0 = named('far0');
    expect(uplinksAmong([far0], namespace)).toMatchObject([{ driver: 'veth' }]);
    // In this process's own namespace there is none of that name to be asked.
    expect(uplinksAmong([far0], undefined)).toMatchObject([{ driver: 'veth', speedMbps: 10_000 }]);
    expect(uplinksAmong([{ ...far0, name: 'gone0' }], undefined)).toMatchObject([
      { driver: '', speedMbps: 0 },
    ]);
  });

  it('say nothing more when they have just gone', () => {
    const gone = { ...named('up0'), name: 'gone0' };
    expect(uplinksAmong([gone], namespace)).toMatchObject([{ name: 'gone0', speedMbps: 0, driver: '' }]);
  });

  it('are others when one comes, goes, or has another carrier; representors are none of them', () => {
    const up0 = named('up0');
    expect(touchesUplinks(up0, { ...up0, carrier: true })).toBe(true);
    expect(touchesUplinks(undefined, up0)).toBe(true);
    expect(touchesUplinks(up0, undefined)).toBe(true);
    expect(touchesUplinks(up0, { ...up0, promiscuous: true })).toBe(false);
    const function0 = named('pf0vf0');
    expect(touchesUplinks(function0, { ...function0, carrier: true })).toBe(false);
  });
});
