import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type Pod, UdpFlow } from '@outboard/testbed';
import type { OperationResult } from '../src/driver.js';
import * as d from '../src/testing/documents.js';
import type { PacketWorld } from './packets-suite.js';
import {
  allow,
  deny,
  fromClients,
  groupPolicy,
  ISOLATED,
  ipv4,
  ipv6,
  type Policies,
  PolicyLab,
  pass,
  serverUnder,
  tcp,
  textsOf,
} from './policy-lab.js';
import { policyStates } from './policy-states.js';

const addresses = (name: string): string[] => [ipv4(name), ipv6(name)];
/** What a port is judged by. */
const CHAINS: ReadonlySet<string> = new Set(['chain', 'portchain']);
const FAILURE: OperationResult = { kind: 'failed', error: { code: 'EIO', message: 'injected' } };

/** Policies of the server that differ in everything they can; none lets datagrams of `near` to port 5003 in. */
const STATES: readonly Policies[] = [
  groupPolicy('far'),
  // By groups, that members leave and come into.
  ...policyStates({ near: addresses('near'), far: addresses('far') })
    .slice(0, 6)
    .map(({ objects, server }) => ({ objects, ports: { server } })),
  // The same policy by other rules, which pass on to one that is for something else.
  serverUnder(
    [
      d.ruleSet('q', {
        tier: 'ADMIN',
        ingress: [
          deny({ peers: [d.inPrefix('10.0.1.16/29'), d.inPrefix('fd00:1::20/128')] }),
          pass({ name: 'rest' }),
        ],
      }),
      d.ruleSet('r', { ingress: [allow({ services: [tcp(80)] })] }),
    ],
    ISOLATED,
    'q',
    'r',
  ),
  // Nobody but the last tier says anything.
  serverUnder(
    [d.ruleSet('b', { tier: 'BASELINE', ingress: [deny({ services: [{ protocol: 17 }] })] })],
    {},
    'b',
  ),
];

/** That a failing step delays a change of policies, and opens nothing. */
export function policyFaults(
  title: string,
  openWorld: (name: string) => PacketWorld,
  /** Of all steps, every how many-th fails. */
  stride: number,
): void {
  jest.setTimeout(120_000);
  describe(`${title}: policies of ports`, () => {
    let policies: PolicyLab;
    const pod = (name: string): Pod => policies.lab.pod(name);
    beforeAll(async () => {
      const name = `z${process.pid.toString(36)}`;
      policies = await PolicyLab.open(name, openWorld(name));
    });
    afterAll(() => policies?.[Symbol.asyncDispose]());

    it('never let anything through that neither the former nor the next allow, whichever step fails', async () => {
      // At the beginning and at the end the port is not there.
      const documents = [
        policies.entriesFor('dpu-1', {}, 'server'),
        ...STATES.map((state) => policies.entriesFor('dpu-1', state)),
      ];
      const walk = async (): Promise<void> => {
        for (const entries of [...documents, ...documents.toReversed()])
          await policies.lab.applyInTheEnd('dpu-1', entries);
      };
      let operations = 0;
      policies.lab.setFault('dpu-1', () => {
        operations++;
        return undefined;
      });
      await walk();
      expect(operations).toBeGreaterThan(50);
      const flows = [ipv4('server'), ipv6('server')].map((ip, index) =>
        UdpFlow.start({ from: pod('near'), to: pod('server'), ip, port: 5003 + index }),
      );
      try {
        for (let index = 0; index < operations; index += stride) {
          policies.lab.setFault('dpu-1', (_, count) => (count === index ? FAILURE : undefined));
          await walk();
        }
      } finally {
        policies.lab.setFault('dpu-1', undefined);
        for (const report of await Promise.all(flows.map((flow) => flow.stop()))) {
          expect(report.sent).toBeGreaterThan(1000);
          expect(report.received).toBe(0);
        }
      }
      // Those packets would have been seen: where nothing forbids them, they arrive.
      await policies.enforce({});
      const seen = UdpFlow.start({ from: pod('near'), to: pod('server'), ip: ipv4('server'), port: 5003 });
      await seen.progress(10);
      expect((await seen.stop()).received).toBeGreaterThan(0);
    });

    it('let through nobody whom a group may deny, as long as one of its members cannot be made', async () => {
      const denying = (near: readonly string[]): Policies => {
        const [{ objects, server } = { objects: [], server: {} }] = policyStates({ near, far: [] });
        return { objects, ports: { server } };
      };
      await policies.enforce(denying([]));
      const tried = fromClients('tcp 80');
      expect(await policies.possibleOf(tried, textsOf(tried))).toEqual(textsOf(tried));
      policies.lab.setFault('dpu-1', ({ action }) => (action === 'create' ? FAILURE : undefined));
      const tells = policies.lab.submit('dpu-1', policies.entriesFor('dpu-1', denying(addresses('near'))));
      await tells((problems) => problems.some(({ key }) => key === d.ruleSetKey('q')));
      expect(await policies.possibleOf(tried, [])).toEqual([]);
      policies.lab.setFault('dpu-1', undefined);
      await tells((problems) => problems.length === 0);
      const far = tried.filter(({ from }) => from === 'far');
      expect(await policies.possibleOf(tried, textsOf(far))).toEqual(textsOf(far));
    });

    it('closes a port whose policies have changed and whose chain has not, for as long as that cannot be changed', async () => {
      const [former, next] = policyStates({ near: addresses('near'), far: addresses('far') })
        .slice(7)
        .map(({ objects, server }): Policies => ({ objects, ports: { server } })) as [Policies, Policies];
      await policies.enforce(former);
      const tried = fromClients('tcp 80');
      const near = textsOf(tried.filter(({ from }) => from === 'near'));
      expect(await policies.possibleOf(tried, near)).toEqual(near);
      policies.lab.setFault('dpu-1', (operation) =>
        operation.action === 'update' && CHAINS.has(operation.object.spec.kind) ? FAILURE : undefined,
      );
      // Neither allows that, and rules of the one under the chain of the other would.
      const flow = UdpFlow.start({ from: pod('near'), to: pod('server'), ip: ipv4('server'), port: 5003 });
      const tells = policies.lab.submit('dpu-1', policies.entriesFor('dpu-1', next));
      await tells((problems) =>
        problems.some(({ key, state }) => key.startsWith('endpoint/') && state === 'FAILED'),
      );
      expect(await policies.possibleOf(tried, [])).toEqual([]);
      policies.lab.setFault('dpu-1', undefined);
      await tells((problems) => problems.length === 0);
      const { sent, received } = await flow.stop();
      expect(received).toBe(0);
      expect(sent).toBeGreaterThan(10);
      await policies.enforce(former);
      expect(await policies.possibleOf(tried, near)).toEqual(near);
    });
  });
}
