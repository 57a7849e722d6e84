import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { link, NetlinkSocket, NetworkNamespace } from '@outboard/netlink';
import { noteDevice } from './device-events.js';
import { Place } from './place.js';

const name = `obpl${process.pid.toString(36)}`;

describe('a look at all devices of a namespace', () => {
  let kernel: NetlinkSocket;
  let place: Place;

  beforeEach(async () => {
    const namespace = NetworkNamespace.create(name);
    kernel = NetlinkSocket.open({ namespace });
    await kernel.send(link.create({ ifname: 'old', linkinfo: { kind: 'bridge' } }));
    place = await Place.open({
      name: 'router',
      namespace,
      onEvents: (its, events) => {
        for (const event of events) if (event.family === 'link') noteDevice(its, event);
      },
      onOverrun: () => undefined,
    });
  });
  afterEach(() => {
    kernel.close();
    place.close();
    NetworkNamespace.remove(name);
  });

  /** As if all of it happened between the last part of the list and the moment at which somebody reads it. */
  async function lookWhile(happens: () => Promise<void>): Promise<void> {
    const dump = place.route.dump.bind(place.route) as (...asked: never[]) => Promise<never[]>;
    place.route.dump = async (...asked: never[]) => {
      const listed = await dump(...asked);
      await happens();
      place.drain();
      return listed;
    };
    await place.lookAtDevices();
  }

  it('does not forget what came meanwhile', async () => {
    await lookWhile(() => kernel.send(link.create({ ifname: 'new', linkinfo: { kind: 'bridge' } })));
    expect(place.device('new')).toBeDefined();
    expect(place.device('old')).toBeDefined();
  });

  it('does not bring back what went meanwhile, or what was known of it before', async () => {
    await kernel.send(link.create({ ifname: 'doomed', linkinfo: { kind: 'bridge' } }));
    await lookWhile(async () => {
      await kernel.send(link.remove({ ifname: 'doomed' }));
      await kernel.send(link.change({ ifname: 'old', mtu: 1400 }));
    });
    expect(place.device('doomed')).toBeUndefined();
    expect(place.device('old')?.mtu).toBe(1400);
  });

  it('forgets what is not there any more, though nobody told', async () => {
    const [old] = [...place.devices()].filter(({ name }) => name === 'old');
    place.note({ ...(old as NonNullable<typeof old>), index: 999, name: 'ghost' });
    await place.lookAtDevices();
    expect(place.device('ghost')).toBeUndefined();
  });
});
