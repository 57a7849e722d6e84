import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EchoServer, ping, tcpEcho, waitReachable } from '@outboard/testbed';
import {
  addressesOf,
  gatewaysOf,
  type LabPort,
  labNetwork,
  labPort,
  PacketLab,
} from '../../test/packet-lab.js';
import * as d from '../testing/documents.js';

jest.setTimeout(60_000);

const WEB = labNetwork(11, d.ROUTER, '10.0.1', 'fd00:1');
const DB = labNetwork(12, d.ROUTER, '10.0.2', 'fd00:2');
const CLIENT = labPort('client', WEB, 'dpu-1', 0, 11);
const NEAR = labPort('near', DB, 'dpu-1', 1, 11);
const FAR = labPort('far', DB, 'dpu-2', 0, 12);
/** Reached by an address of an allowed pair, which says nothing of who has it; forwards for what is behind it. */
const PAIRED: LabPort = { ...labPort('paired', DB, 'dpu-1', 2, 13), allowed: ['10.0.2.100', '10.8.0.0/16'] };
const BEHIND = '10.8.0.1';
const SERVED = [80, 81];
const PATIENCE = { timeoutMilliseconds: 150 };

describe('policies across the networks of a router', () => {
  let lab: PacketLab;
  const servers: EchoServer[] = [];
  const group = [d.addressGroup('g'), ...addressesOf(CLIENT).map((address) => d.groupMember('g', address))];
  const web = { name: 'web', action: 'ALLOW', services: [{ protocol: 6, firstPort: 80, lastPort: 80 }] };

  const enforce = async (
    objects: readonly d.Entry[],
    fields: Record<string, d.EndpointFields>,
  ): Promise<void> => {
    for (const dpu of lab.testbed.dpus.keys())
      await lab.apply(dpu, [...objects, ...lab.entriesFor(dpu, fields)]);
  };
  const reached = async (from: string, to: LabPort, served: number): Promise<boolean[]> =>
    Promise.all(
      addressesOf(to).map(
        async (ip) => (await tcpEcho(lab.pod(from), { ip, port: served }, PATIENCE)).kind === 'echoed',
      ),
    );
  const BOTH = [true, true];
  const NEITHER = [false, false];

  beforeAll(async () => {
    lab = await PacketLab.open(`y${process.pid.toString(36)}`, [CLIENT, NEAR, FAR, PAIRED]);
    await enforce([], {});
    for (const name of ['near', 'far', 'client'])
      for (const served of SERVED) servers.push(await EchoServer.listen(lab.pod(name), served));
    for (const to of [NEAR, FAR])
      for (const address of addressesOf(to)) await waitReachable(lab.pod('client'), address);
  });
  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    await lab[Symbol.asyncDispose]();
  });

  it.each([
    ['the same DPU', NEAR],
    ['another DPU', FAR],
  ])('allow what they allow of a port on %s, and nothing else', async (_where, to) => {
    const policy = d.ruleSet('p', { ingress: [{ ...web, peers: [d.inGroup('g')] }] });
    await enforce([...group, policy], {
      [to.name]: { isolatedIngress: true, ruleSets: [d.ruleSetKey('p')] },
    });
    expect(await reached('client', to, 80)).toEqual(BOTH);
    expect(await reached('client', to, 81)).toEqual(NEITHER);
    // What it opens itself is no business of that policy.
    expect(await reached(to.name, CLIENT, 81)).toEqual(BOTH);
  });

  it.each([
    ['the same DPU', NEAR],
    ['another DPU', FAR],
  ])('hold what a port opens towards one on %s', async (_where, to) => {
    const policy = d.ruleSet('p', {
      egress: [{ ...web, peers: [d.inPrefix('10.0.2.0/24'), d.inPrefix('fd00:2::/64')] }],
    });
    await enforce([policy], { client: { isolatedEgress: true, ruleSets: [d.ruleSetKey('p')] } });
    expect(await reached('client', to, 80)).toEqual(BOTH);
    expect(await reached('client', to, 81)).toEqual(NEITHER);
    expect(await reached(to.name, CLIENT, 81)).toEqual(BOTH);
  });

  it('let nothing routed into a port with policies by an address that it may share with others', async () => {
    const [own = ''] = addressesOf(PAIRED);
    await lab.pod('paired').addAddress('10.0.2.100');
    await enforce([], {});
    await waitReachable(lab.pod('client'), '10.0.2.100');
    const policy = d.ruleSet('p', { ingress: [{ name: 'all', action: 'ALLOW' }] });
    await enforce([policy], { paired: { isolatedIngress: true, ruleSets: [d.ruleSetKey('p')] } });
    await waitReachable(lab.pod('client'), own);
    expect(await ping(lab.pod('client'), '10.0.2.100', PATIENCE)).toMatchObject({ received: 0 });
    // Within its own network the port itself is known, by whatever address it is reached.
    await waitReachable(lab.pod('near'), '10.0.2.100');
  });

  it('judge what a port forwards as what it accepts, when it is the next hop of a route', async () => {
    await lab.pod('paired').addAddress(BEHIND);
    const [gateway] = addressesOf(PAIRED);
    const route = d.route('10.8.0.0/16', [{ gateway, weight: 1, networkUid: DB.uid }]);
    const policy = d.ruleSet('p', { ingress: [{ ...web, peers: [d.inGroup('g')] }] });
    const fields = { isolatedIngress: true, ruleSets: [d.ruleSetKey('p')] };
    await enforce([route, ...group, policy], { paired: fields });
    const outcomes = [];
    for (const port of SERVED) {
      servers.push(await EchoServer.listen(lab.pod('paired'), port));
      outcomes.push((await tcpEcho(lab.pod('client'), { ip: BEHIND, port }, PATIENCE)).kind);
    }
    expect(outcomes).toEqual(['echoed', 'failed']);
  });

  it('judge what goes to the gateway itself by what the port may open, and let its answers in', async () => {
    const [gateway = ''] = gatewaysOf(WEB);
    await enforce([], { client: { isolatedIngress: true } });
    expect(await ping(lab.pod('client'), gateway, PATIENCE)).toMatchObject({ received: 1 });
    await enforce([], { client: { isolatedEgress: true } });
    expect(await ping(lab.pod('client'), gateway, PATIENCE)).toMatchObject({ received: 0 });
  });
});
