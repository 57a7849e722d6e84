import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  EchoServer,
  type Endpoint,
  FrameCapture,
  FrameSender,
  tcpEcho,
  udpFrame,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import * as d from '../src/testing/documents.js';
import { addressesOf, type LabPort, labNetwork, labPort, macOf, PacketLab } from './packet-lab.js';
import type { PacketWorld } from './packets-suite.js';

const PATIENCE_MILLISECONDS = 150;
const TRIES = 15;
const SERVED = 80;
const NETWORK = labNetwork(0xb1, d.ROUTER, '10.0.1', 'fd00:1');
const OTHER = labNetwork(0xc1, d.ROUTER, '10.0.2', 'fd00:2');

/** Every sort of function on both DPUs; `routed` is in another network. */
const PORTS: readonly LabPort[] = [
  labPort('host-1', NETWORK, 'dpu-1', 'PF', 10),
  labPort('host-2', NETWORK, 'dpu-2', 'PF', 20),
  labPort('own-1', NETWORK, 'dpu-1', 'DPU', 11),
  labPort('own-2', NETWORK, 'dpu-2', 'DPU', 21),
  labPort('pod-1', NETWORK, 'dpu-1', 0, 12),
  labPort('pod-2', NETWORK, 'dpu-2', 0, 22),
  labPort('routed', OTHER, 'dpu-2', 1, 23),
];
const addressOf = (name: string): readonly [string, string] => {
  const port = PORTS.find((each) => each.name === name);
  if (port === undefined) throw new Error(`no port ${name}`);
  return addressesOf(port);
};

/** Ports on functions that are in no pod: the host's own PF, and the DPU's own side. */
export function hostFunctions(title: string, openWorld: (name: string) => PacketWorld): void {
  jest.setTimeout(60_000);
  describe(`${title}: ports on the PF of a host, and on functions of the DPU itself`, () => {
    let lab: PacketLab;
    const servers: EchoServer[] = [];
    const place = (name: string): Endpoint => lab.place(name);
    const enforce = (
      objects: readonly d.Entry[] = [],
      ports: Readonly<Record<string, d.EndpointFields>> = {},
    ): Promise<unknown> =>
      Promise.all(
        ['dpu-1', 'dpu-2'].map((dpu) => lab.apply(dpu, [...objects, ...lab.entriesFor(dpu, ports)])),
      );

    /** `a b` for each that reaches the other by IPv4 and by IPv6. What shall be may take its time, what shall not has one try. */
    const connected = async (
      flows: readonly (readonly [from: string, to: string])[],
      expected: readonly string[],
    ): Promise<string[]> => {
      const found = flows.map(async ([from, to]) => {
        const tries = expected.includes(`${from} ${to}`) ? TRIES : 1;
        for (let tried = 0; tried < tries; tried++) {
          // On a busy machine a try that is too short never gets anywhere.
          const patience = { timeoutMilliseconds: PATIENCE_MILLISECONDS * (tried + 1) };
          const answers = await Promise.all(
            addressOf(to).map((ip) => tcpEcho(place(from), { ip, port: SERVED }, patience)),
          );
          const echoed = answers.filter(({ kind }) => kind === 'echoed').length;
          if (echoed === answers.length) return [`${from} ${to}`];
          // A policy that lets one family through would be neither.
          if (echoed > 0 && tried === tries - 1) return [`${from} ${to} by one family only`];
        }
        return [];
      });
      return (await Promise.all(found)).flat();
    };

    beforeAll(async () => {
      const name = `n${process.pid.toString(36)}`;
      lab = await PacketLab.open(name, PORTS, 1500, openWorld(name));
      await enforce();
      for (const { name: own } of PORTS) servers.push(await EchoServer.listen(place(own), SERVED));
      for (const { name: own } of PORTS)
        if (own !== 'host-1') for (const ip of addressOf(own)) await waitReachable(place('host-1'), ip);
    });
    afterAll(async () => {
      for (const server of servers) server[Symbol.dispose]();
      await lab?.[Symbol.asyncDispose]();
    });

    it('reach pods, and each other, on the same DPU, on another one, and through the router', async () => {
      const flows = PORTS.flatMap(({ name: from }) =>
        PORTS.filter(({ name: to }) => to !== from).map(({ name: to }) => [from, to] as const),
      );
      const all = flows.map((flow) => flow.join(' '));
      expect(await connected(flows, all)).toEqual(all);
    });

    it.each([
      ['the host', 'host-1'],
      ['the DPU', 'own-1'],
    ])('are under policies as pods are: a function of %s', async (_what, server) => {
      const clients = PORTS.map(({ name }) => name).filter((name) => name !== server);
      const flows = clients.map((client) => [client, server] as const);
      const allowed = ['pod-1', 'host-2', 'own-2'];
      const members = allowed.flatMap((name) => addressOf(name).map((ip) => d.groupMember('g', ip)));
      const rules = { ingress: [{ name: 'a', action: 'ALLOW', peers: [d.inGroup('g')] }] };
      await enforce([d.addressGroup('g'), ...members, d.ruleSet('p', rules)], {
        [server]: { isolatedIngress: true, ruleSets: [d.ruleSetKey('p')] },
      });
      const expected = clients.filter((name) => allowed.includes(name)).map((name) => `${name} ${server}`);
      expect(await connected(flows, expected)).toEqual(expected);
      // What it opens itself is answered.
      expect(await connected([[server, 'pod-2']], [`${server} pod-2`])).toEqual([`${server} pod-2`]);
      await enforce();
    });

    it.each([
      ['the host', 'host-1', 'enp1s0f0'],
      ['the DPU', 'own-1', 'eth0'],
    ])('are heard only as who they are: a function of %s', async (_what, sender, device) => {
      const from = PORTS.find(({ name }) => name === sender) as LabPort;
      const to = PORTS.find(({ name }) => name === 'pod-2') as LabPort;
      const frame = (sourceMac: string, ip: string, said: string): Buffer =>
        udpFrame({
          sourceMac,
          destinationMac: macOf(to),
          source: { ip, port: 4000 },
          destination: { ip: addressesOf(to)[0], port: 4001 },
          payload: Buffer.from(said),
        });
      const [own] = addressesOf(from);
      const lies = [
        frame(macOf(from), addressOf('pod-1')[0], 'outboard-lie'),
        frame('02:00:5e:00:b1:0c', own, 'outboard-lie'),
      ];
      const heard: string[] = [];
      const capture = await FrameCapture.open(place('pod-2'), 'eth0', (seen, direction) => {
        for (const said of ['outboard-lie', 'outboard-truth'])
          if (direction === 'in' && seen.includes(said)) heard.push(said);
        return true;
      });
      const socket = await FrameSender.open(place(sender), device);
      try {
        for (const each of [...lies, frame(macOf(from), own, 'outboard-truth')]) socket.send(each);
        await waitUntil('the true frame arrives', async () => {
          void capture.report;
          return heard.includes('outboard-truth') ? undefined : 'it has not';
        });
        expect(heard).toEqual(['outboard-truth']);
      } finally {
        socket[Symbol.dispose]();
        capture[Symbol.dispose]();
      }
    });
  });
}
