import { expect, it } from '@jest/globals';
import { AF, type Neighbour, NTF, NUD, type Route, RT_TABLE, RTM_F, RTN, RTNH_F } from '@outboard/netlink';
import { offloadTruth } from '../../test/offload-suite.js';
import { linuxPackets } from '../../test/packet-worlds.js';
import type { Place } from '../kernel/place.js';
import { observedOf } from './entries.js';
import { OUTBOARD_PROTOCOL } from './protocol.js';
import { RouteReader } from './route-reader.js';

offloadTruth('linux', linuxPackets, 'filter');

const place = {
  name: 'ob-router',
  deviceAt: (index: number) => ({ index, name: 'obb000000000001' }),
} as unknown as Place;

it.each([
  ['no flag', 0, undefined],
  ['the flag of a route', RTM_F.OFFLOAD, true],
  ['the flag of its next hop', RTNH_F.OFFLOAD, true],
  ['a trap to the processor', RTM_F.TRAP, undefined],
  ['a failure', RTM_F.OFFLOAD_FAILED, undefined],
])('a route with %s is told as %s in hardware', (_, rtmFlags, inHardware) => {
  const route = {
    rtmFamily: AF.INET,
    rtmDstLen: 24,
    rtmProtocol: OUTBOARD_PROTOCOL,
    rtmTable: RT_TABLE.MAIN,
    rtmType: RTN.UNICAST,
    rtmFlags,
    dst: '10.9.0.0',
    gateway: '10.0.1.1',
    oif: 1,
  };
  expect(new RouteReader(place).read(route as Route)?.inHardware).toBe(inHardware);
});

it.each([
  [0, undefined],
  [NTF.OFFLOADED, true],
])('a neighbour with the flags %d is told as %s in hardware', (ndmFlags, inHardware) => {
  const entry = {
    ndmFamily: AF.INET,
    ndmIfindex: 1,
    ndmState: NUD.PERMANENT,
    ndmFlags,
    protocol: OUTBOARD_PROTOCOL,
    lladdr: '02:00:5e:00:10:01',
    dst: '10.0.1.5',
  };
  expect(observedOf(place, entry as Neighbour)?.inHardware).toBe(inHardware);
});
