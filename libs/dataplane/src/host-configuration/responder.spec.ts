import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Random, systemRandom } from '@outboard/core';
import { link, NetworkNamespace, neighbourDiscoveryFrame, upFlags } from '@outboard/netlink';
import { FrameCapture, FrameSender, type Pod, Testbed, waitUntil } from '@outboard/testbed';
import { ManualClock } from '@outboard/testkit';
import { Place } from '../kernel/place.js';
import { type ResponderSpec, responderKey, type ToldSubnet } from './responder-spec.js';
import { Responders } from './responders.js';

const MAC = '02:00:5e:00:10:05';
const DEVICE = 'pf0vf0';
const KEY = responderKey({ device: DEVICE, vlanId: 0 });
const TEN_MINUTES = 600_000;
/** Everything is as late as it may be. */
const LATE: Random = { bytes: (count) => systemRandom.bytes(count), fraction: () => 1 };

const SUBNET: ToldSubnet = {
  family: 6,
  address: '2001:db8::5',
  prefix: '2001:db8::',
  prefixLength: 64,
  gateway: '2001:db8::1',
  dnsServers: [],
  domainName: '',
  dhcp: null,
  advertisement: { lifetimeSeconds: 1800, autonomous: false },
};
const SPEC: ResponderSpec = {
  kind: 'responder',
  device: DEVICE,
  vlanId: 0,
  mac: MAC,
  hostName: '',
  mtu: 1450,
  server: '0e:00:00:00:00:01',
  subnets: [SUBNET],
};

/** The router's lifetime in an advertisement; undefined: it is none. */
const lifetimeIn = (frame: Buffer): number | undefined =>
  frame.length >= 62 && frame[20] === 58 && frame[54] === 134 ? frame.readUInt16BE(60) : undefined;

describe('who answers a port', () => {
  let testbed: Testbed;
  let pod: Pod;
  let place: Place;
  let clock: ManualClock;
  let responders: Responders;
  let lifetimes: number[];
  let capture: FrameCapture;

  const put = (spec: ResponderSpec) =>
    responders.put([
      {
        action: 'create',
        object: { key: KEY, spec, after: [] },
        mark: { owner: 'network', key: 'endpoint/a' },
      },
    ]);
  const hears = (...expected: readonly number[]) =>
    waitUntil(`the pod hears ${expected.join()}`, () => {
      void capture.report;
      return lifetimes.join() === expected.join() ? undefined : lifetimes.join();
    });
  const representorUp = async (up: boolean): Promise<void> => {
    const ifiIndex = place.device(DEVICE)?.index ?? 0;
    await place.route.batch([link.change({ ifiIndex, ...upFlags(up) })]);
  };

  beforeAll(async () => {
    testbed = await Testbed.create({
      name: `a${process.pid.toString(36)}`,
      dpus: [{ name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: 1 }],
    });
    const dpu = testbed.dpu('dpu-1');
    pod = await testbed.createPod({ name: 'asking', host: dpu.host.name });
    await pod.attach(dpu, 0, { mtu: 1450, macAddress: MAC, addresses: [] });
    place = await Place.open({
      name: '',
      namespace: NetworkNamespace.open({ name: dpu.plan.namespace }),
      onEvents: () => undefined,
      onOverrun: () => undefined,
    });
    await representorUp(true);
  }, 30_000);
  afterAll(async () => {
    place?.close();
    await testbed?.dispose();
  });
  beforeEach(async () => {
    clock = new ManualClock();
    responders = new Responders(place, clock, LATE);
    lifetimes = [];
    capture = await FrameCapture.open(pod, 'eth0', (frame, direction) => {
      const lifetime = direction === 'in' ? lifetimeIn(frame) : undefined;
      if (lifetime !== undefined) lifetimes.push(lifetime);
      return lifetime !== undefined;
    });
  });
  afterEach(() => {
    responders.close();
    capture[Symbol.dispose]();
  });

  it('advertises routers at once, again within ten minutes, when they change, and for the last time', async () => {
    await put(SPEC);
    await hears(1800);
    await clock.advance(TEN_MINUTES);
    await hears(1800, 1800);
    const changed = { ...SUBNET, advertisement: { lifetimeSeconds: 900, autonomous: false } };
    await put({ ...SPEC, subnets: [changed] });
    await hears(1800, 1800, 900);
    await put({ ...SPEC, subnets: [{ ...SUBNET, advertisement: null }] });
    await hears(1800, 1800, 900, 0);
    await put(SPEC);
    await hears(1800, 1800, 900, 0, 1800);
    await responders.remove([{ action: 'delete', key: KEY, observed: SPEC }]);
    await hears(1800, 1800, 900, 0, 1800, 0);
    await clock.advance(TEN_MINUTES);
    expect(await responders.observe('all')).toEqual([]);
    expect(capture.report.count).toBe(6);
  });

  it('answers twenty questions of a flood, and others when a second has passed', async () => {
    await put(SPEC);
    await hears(1800);
    const sender = await FrameSender.open(pod, 'eth0');
    const question = neighbourDiscoveryFrame({
      sourceMac: MAC,
      destinationMac: '33:33:00:00:00:02',
      source: 'fe80::5eff:fe00:1005',
      destination: 'ff02::2',
      message: Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0),
    });
    const flood = (): void => {
      for (let count = 0; count < 500; count++) sender.send(question);
    };
    flood();
    await hears(...Array.from({ length: 21 }, () => 1800));
    await clock.advance(1000);
    flood();
    await hears(...Array.from({ length: 41 }, () => 1800));
    sender[Symbol.dispose]();
  });

  it('bears a device that goes down, and is not there for one that has taken its place', async () => {
    await put(SPEC);
    await hears(1800);
    await representorUp(false);
    await put(SPEC);
    await representorUp(true);
    await put(SPEC);
    await hears(1800, 1800);
    expect(await responders.observe([KEY])).toEqual([{ key: KEY, spec: SPEC, ownership: { kind: 'owned' } }]);
    const device = place.device(DEVICE);
    if (device === undefined) throw new Error('the representor is there');
    place.note({ ...device, index: device.index + 1000 });
    expect(await responders.observe([KEY])).toEqual([]);
    place.note(device);
  });
});
