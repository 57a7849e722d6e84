import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EchoServer, ping, tcpEcho, waitReachable, waitUntil } from '@outboard/testbed';
import * as d from '../src/testing/documents.js';
import { addressesOf, gatewaysOf, type LabPort, labNetwork, labPort, PacketLab } from './packet-lab.js';
import type { PacketWorld } from './packets-suite.js';

const WEB = labNetwork(11, d.ROUTER, '10.0.1', 'fd00:1');
const DB = labNetwork(12, d.ROUTER, '10.0.2', 'fd00:2');
const CLIENT = labPort('client', WEB, 'dpu-1', 0, 11);
const NEAR = labPort('near', DB, 'dpu-1', 1, 11);
const FAR = labPort('far', DB, 'dpu-2', 0, 12);
const PAIR = '10.0.2.100';
/** Has an address of an allowed pair, and forwards for what is behind it. */
const PAIRED: LabPort = { ...labPort('paired', DB, 'dpu-1', 2, 13), allowed: [PAIR, '10.8.0.0/16'] };
const BEHIND = '10.8.0.1';
const DISTANT_PAIR = '10.0.2.101';
const DISTANT: LabPort = { ...labPort('distant', DB, 'dpu-2', 1, 14), allowed: [DISTANT_PAIR] };
const SERVED = [80, 81];
const PATIENCE = { timeoutMilliseconds: 150 };

/** Which flows policies make possible between the networks of a router, on a DPU and between two. */
export function routedPolicies(title: string, openWorld: (name: string) => PacketWorld): void {
  jest.setTimeout(60_000);
  describe(`${title}: policies across the networks of a router`, () => {
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
    /** By both addresses; on a busy machine that may take a while. */
    const waitReached = (from: string, to: LabPort, served: number): Promise<void> =>
      waitUntil(`${from} reaches ${to.name} on ${served}`, async () => {
        const outcome = await reached(from, to, served);
        return outcome.every((each) => each) ? undefined : String(outcome);
      });
    const NEITHER = [false, false];
    const isEchoed = async (from: string, ip: string, port: number, source?: string): Promise<boolean> => {
      const options = { ...PATIENCE, ...(source !== undefined && { source: { ip: source, port: 0 } }) };
      return (await tcpEcho(lab.pod(from), { ip, port }, options)).kind === 'echoed';
    };
    const waitEchoed = (...of: Parameters<typeof isEchoed>): Promise<void> =>
      waitUntil(`${of.join(' ')} echoes`, async () => ((await isEchoed(...of)) ? undefined : 'silence'));

    beforeAll(async () => {
      const name = `y${process.pid.toString(36)}`;
      lab = await PacketLab.open(name, [CLIENT, NEAR, FAR, PAIRED, DISTANT], 1500, openWorld(name));
      await enforce([], {});
      for (const { name } of lab.ports)
        for (const served of SERVED) servers.push(await EchoServer.listen(lab.pod(name), served));
      for (const to of [NEAR, FAR])
        for (const address of addressesOf(to)) await waitReachable(lab.pod('client'), address);
    });
    afterAll(async () => {
      for (const server of servers) server[Symbol.dispose]();
      await lab?.[Symbol.asyncDispose]();
    });

    it.each([
      ['the same DPU', NEAR],
      ['another DPU', FAR],
    ])('allow what they allow of a port on %s, and nothing else', async (_where, to) => {
      const policy = d.ruleSet('p', { ingress: [{ ...web, peers: [d.inGroup('g')] }] });
      await enforce([...group, policy], {
        [to.name]: { isolatedIngress: true, ruleSets: [d.ruleSetKey('p')] },
      });
      await waitReached('client', to, 80);
      expect(await reached('client', to, 81)).toEqual(NEITHER);
      // What it opens itself is no business of that policy.
      await waitReached(to.name, CLIENT, 81);
    });

    it.each([
      ['the same DPU', NEAR],
      ['another DPU', FAR],
    ])('hold what a port opens towards one on %s', async (_where, to) => {
      const policy = d.ruleSet('p', {
        egress: [{ ...web, peers: [d.inPrefix('10.0.2.0/24'), d.inPrefix('fd00:2::/64')] }],
      });
      await enforce([policy], { client: { isolatedEgress: true, ruleSets: [d.ruleSetKey('p')] } });
      await waitReached('client', to, 80);
      expect(await reached('client', to, 81)).toEqual(NEITHER);
      await waitReached(to.name, CLIENT, 81);
    });

    it('judge what is routed to a port by an address of an allowed pair as what goes to its own', async () => {
      await lab.pod('paired').addAddress(PAIR);
      const policy = d.ruleSet('p', { ingress: [{ ...web, peers: [d.inGroup('g')] }] });
      await enforce([...group, policy], {
        paired: { isolatedIngress: true, ruleSets: [d.ruleSetKey('p')] },
      });
      await waitEchoed('client', PAIR, 80);
      expect(await isEchoed('client', PAIR, 81)).toBe(false);
      expect(await isEchoed('near', PAIR, 80)).toBe(false);
      // What it opens from there comes back to it.
      const [client = ''] = addressesOf(CLIENT);
      await waitEchoed('paired', client, 81, PAIR);
    });

    it('leave what is routed to an address of an allowed pair of another DPU to that one', async () => {
      await lab.pod('distant').addAddress(DISTANT_PAIR);
      const policy = d.ruleSet('p', { ingress: [{ ...web, peers: [d.inGroup('g')] }] });
      await enforce([...group, policy], {
        distant: { isolatedIngress: true, ruleSets: [d.ruleSetKey('p')] },
      });
      await waitEchoed('client', DISTANT_PAIR, 80);
      expect(await isEchoed('client', DISTANT_PAIR, 81)).toBe(false);
    });

    it('judge what a port forwards as what it accepts, when it is the next hop of a route', async () => {
      await lab.pod('paired').addAddress(BEHIND);
      const [gateway] = addressesOf(PAIRED);
      const route = d.route('10.8.0.0/16', [{ gateway, weight: 1, networkUid: DB.uid }]);
      const policy = d.ruleSet('p', { ingress: [{ ...web, peers: [d.inGroup('g')] }] });
      const fields = { isolatedIngress: true, ruleSets: [d.ruleSetKey('p')] };
      await enforce([route, ...group, policy], { paired: fields });
      await waitEchoed('client', BEHIND, 80);
      expect(await isEchoed('client', BEHIND, 81)).toBe(false);
    });

    it('judge what goes to the gateway itself by what the port may open, and let its answers in', async () => {
      const [gateway = ''] = gatewaysOf(WEB);
      await enforce([], { client: { isolatedIngress: true } });
      await waitReachable(lab.pod('client'), gateway);
      await enforce([], { client: { isolatedEgress: true } });
      expect(await ping(lab.pod('client'), gateway, PATIENCE)).toMatchObject({ received: 0 });
    });
  });
}
