import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type Pod, ping, UdpFlow } from '@outboard/testbed';
import * as d from '../src/testing/documents.js';
import type { PacketWorld } from './packets-suite.js';
import { CASES } from './policy-cases.js';
import {
  allow,
  fromClients,
  groupPolicy,
  ISOLATED,
  ipv4,
  type Policies,
  PolicyLab,
  serverUnder,
  tcp,
  textsOf,
} from './policy-lab.js';

/** Which flows every feature of policies makes possible, on a DPU and between two, by IPv4 and IPv6. */
export function policyCases(title: string, openWorld: (name: string) => PacketWorld): void {
  jest.setTimeout(60_000);
  describe(`${title}: policies of ports`, () => {
    let policies: PolicyLab;
    beforeAll(async () => {
      const name = `q${process.pid.toString(36)}`;
      policies = await PolicyLab.open(name, openWorld(name));
    });
    afterAll(() => policies?.[Symbol.asyncDispose]());

    it.each(CASES)('%s', async (_about, wanted, tried, possible) => {
      await policies.enforce(wanted);
      const expected = textsOf(possible);
      expect(await policies.possibleOf(tried, expected)).toEqual(expected);
    });

    it('are tried with as many flows that are denied as the cases say', () => {
      const all = CASES.flatMap(([, , tried]) => tried).length;
      const allowed = CASES.flatMap(([, , , possible]) => possible).length;
      expect((all - allowed) / all).toBeGreaterThan(0.3);
    });
  });
}

/** What becomes of policies, and of connections under way, when something changes. */
export function policyChanges(title: string, openWorld: (name: string) => PacketWorld): void {
  jest.setTimeout(60_000);
  describe(`${title}: policies of ports`, () => {
    let policies: PolicyLab;
    let world: PacketWorld;
    const pod = (name: string): Pod => policies.lab.pod(name);
    const tried = fromClients('tcp 80');
    const ofFar = textsOf(tried.filter(({ from }) => from === 'far'));

    /** Packets by counter, on the server's DPU. */
    const counted = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        (await policies.lab.ruleCounters('dpu-1')).map(({ name, packets }) => [
          name.replace(/denied-.*/, 'denied'),
          Number(packets),
        ]),
      );

    beforeAll(async () => {
      const name = `v${process.pid.toString(36)}`;
      world = openWorld(name);
      policies = await PolicyLab.open(name, world);
    });
    afterAll(() => policies?.[Symbol.asyncDispose]());

    it('follow the members of a group by these alone: no rule is touched', async () => {
      await policies.enforce(groupPolicy('far'));
      const touched: string[] = [];
      policies.lab.setFault('dpu-1', (operation) => {
        touched.push(operation.action === 'delete' ? operation.observed.kind : operation.object.spec.kind);
        return undefined;
      });
      const [member = ''] = d.groupMember('g', ipv4('far'));
      await policies.lab.change('dpu-1', [d.groupMember('g', ipv4('near'))], [member]);
      policies.lab.setFault('dpu-1', undefined);
      expect(touched.every((kind) => /member$/.test(kind))).toBe(true);
      expect(touched.length).toBeGreaterThanOrEqual(2);
      expect(touched.length).toBeLessThanOrEqual(4);
      const expected = ['far to server: tcp 80 IPv6', 'near to server: tcp 80 IPv4'];
      expect(await policies.possibleOf(tried, expected)).toEqual(expected);
    });

    it.each(['near', 'far'])(
      'that change count at once for connections from %s that are under way, both ways',
      async (from) => {
        const open = groupPolicy('near', 'far');
        await policies.enforce(open);
        const talk = await policies.conversation(from, 80);
        try {
          expect(await talk.says('before', 2000)).toBe(true);
          await policies.enforce(groupPolicy());
          expect(await talk.says('meanwhile', 300)).toBe(false);
          await policies.enforce(open);
          // What TCP sends again arrives: the connection has only been held up.
          expect(await talk.says('after', 10_000)).toBe(true);
        } finally {
          talk[Symbol.dispose]();
        }
      },
    );

    it('count at once for connections that were under way before there were any', async () => {
      await policies.enforce({});
      const talk = await policies.conversation('far', 80);
      try {
        expect(await talk.says('before', 2000)).toBe(true);
        await policies.enforce(serverUnder([], ISOLATED));
        expect(await talk.says('meanwhile', 300)).toBe(false);
      } finally {
        talk[Symbol.dispose]();
      }
    });

    it('cut a flow of datagrams when they are in place, and let it through again', async () => {
      await policies.enforce(groupPolicy('far'));
      const flow = UdpFlow.start({ from: pod('far'), to: pod('server'), ip: ipv4('server'), port: 5000 });
      await flow.progress(50);
      await policies.enforce(groupPolicy());
      const { sent } = flow;
      const { received } = flow.report;
      while (flow.sent < sent + 200) await ping(pod('server'), ipv4('near'));
      // What was on its way when the rules changed.
      expect(flow.report.received - received).toBeLessThan(50);
      await policies.enforce(groupPolicy('far'));
      await flow.progress(50);
      const report = await flow.stop();
      expect(report.gapTotal).toBe(1);
      expect(report.lost).toBeGreaterThan(100);
    });

    it('never deny what both the former and the next allow while one gives way to the other', async () => {
      const rules = (lastPort: number): Policies =>
        serverUnder(
          [
            d.ruleSet('p', {
              ingress: [allow({ services: [{ protocol: 17, firstPort: 5000, lastPort }] })],
            }),
          ],
          ISOLATED,
          'p',
        );
      await policies.enforce(rules(5005));
      const flow = UdpFlow.start({ from: pod('far'), to: pod('server'), ip: ipv4('server'), port: 5004 });
      await flow.progress(20);
      for (const last of [5010, 5100, 5004, 5005]) await policies.enforce(rules(last));
      await flow.progress(20);
      expect(await flow.stop()).toMatchObject({ lost: 0 });
    });

    it('count what each rule and each isolation decides on, and go on counting when the rule changes', async () => {
      const rules = (lastPort: number): Policies =>
        serverUnder(
          [d.ruleSet('p', { ingress: [allow({ name: 'web', services: [tcp(80, lastPort)] })] })],
          ISOLATED,
          'p',
        );
      await policies.enforce({});
      await policies.enforce(rules(80));
      expect(await counted()).toEqual({ 'ingress-p-web': 0, 'ingress-denied': 0 });
      await policies.possibleOf(tried, textsOf(tried));
      const { 'ingress-p-web': allowed = 0, 'ingress-denied': none } = await counted();
      expect(allowed).toBeGreaterThan(4 * 4);
      expect(none).toBe(0);
      await policies.enforce(rules(81));
      await policies.possibleOf(fromClients('tcp 90'), []);
      const { 'ingress-p-web': after, 'ingress-denied': denied } = await counted();
      // What ended the connections may have come only now; nothing began anew.
      expect(after).toBeGreaterThanOrEqual(allowed);
      expect(denied).toBeGreaterThanOrEqual(4);
    });

    it('stay as they are while the worker restarts: nothing is touched, nothing lost, nothing let through', async () => {
      const wanted = groupPolicy('far');
      await policies.enforce(wanted);
      const allowed = UdpFlow.start({ from: pod('far'), to: pod('server'), ip: ipv4('server'), port: 5001 });
      const denied = UdpFlow.start({ from: pod('near'), to: pod('server'), ip: ipv4('server'), port: 5002 });
      await allowed.progress(20);
      await policies.lab.stopWorker('dpu-1');
      const applied: string[] = [];
      await policies.lab.startWorker('dpu-1', (operation) => {
        applied.push(operation.action === 'delete' ? operation.key : operation.object.key);
        return undefined;
      });
      await policies.enforce(wanted, ['dpu-1']);
      policies.lab.setFault('dpu-1', undefined);
      await allowed.progress(20);
      expect(await allowed.stop()).toMatchObject({ lost: 0 });
      expect(await denied.stop()).toMatchObject({ received: 0 });
      expect(applied).toEqual([]);
    });

    it('are there again when somebody took all rules away, while the worker is there or before it comes', async () => {
      const wanted = groupPolicy('far');
      await policies.enforce(wanted);
      const repaired = policies.lab.repaired('dpu-1');
      await world.wipe(policies.lab.testbed.dpu('dpu-1'));
      await repaired;
      expect(await policies.possibleOf(tried, ofFar)).toEqual(ofFar);
      await policies.lab.stopWorker('dpu-1');
      await world.wipe(policies.lab.testbed.dpu('dpu-1'));
      await policies.lab.startWorker('dpu-1');
      await policies.enforce(wanted, ['dpu-1']);
      expect(await policies.possibleOf(tried, ofFar)).toEqual(ofFar);
    });
  });
}
