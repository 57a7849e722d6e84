import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import { findCondition } from '@outboard/model';
import { type Pod, UdpFlow, waitReachable, waitUntil } from '@outboard/testbed';
import { processesWith, WorkloadSite } from './workload-site.js';

const CNFS = fileURLToPath(new URL('../../examples/cnfs', import.meta.url));
const DPU = { name: 'dpu-1', serialNumber: 'OB-CH-1', pfMacAddress: '02:0b:00:00:01:00', functions: 2 };
const READY_MILLISECONDS = 20_000;
/** The least pause before a workload is started again, less the time that it takes to notice its end. */
const DOWN_MILLISECONDS = 900;

const allow = (protocol: string) => ({
  name: protocol.toLowerCase(),
  direction: 'OUTBOUND',
  protocol,
  action: 'ACCEPT',
});

/** Everything runs for real: the firewall is a workload on the DPU, and is killed while packets go through it. */
describe('a service chain whose network function is killed', () => {
  let stack: LocalStack;
  let site: WorkloadSite;
  let acme: Workspace;
  let client: Pod;
  let server: Pod;

  const { serialNumber, pfMacAddress } = DPU;
  const port = (name: string, network: string, place: object): Manifest => ({
    kind: 'Port',
    metadata: { name },
    spec: { network, function: { serialNumber, pfMacAddress, ...place } },
  });
  const network = (name: string, cidr: string): Manifest[] => [
    { kind: 'Network', metadata: { name }, spec: {} },
    { kind: 'Subnet', metadata: { name: `${name}-v4` }, spec: { network: name, cidr } },
  ];
  const chain = (failureMode: 'FAIL_OPEN' | 'FAIL_CLOSED'): Manifest => ({
    kind: 'ServiceChain',
    metadata: { name: 'through-the-wall' },
    spec: {
      ports: ['client'],
      destination: { network: 'back' },
      hops: [{ name: 'wall', ingressPort: 'wall-ingress', egressPort: 'wall-egress' }],
      failureMode,
    },
  });

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'chaincnf', dpus: [DPU], workloadDirectories: [CNFS] });
    site = await WorkloadSite.open(stack);
    acme = await stack.workspace('acme');
    await site.apply('FunctionPool', 'hops', { attachment: 'DPU', minimumFree: 2, maximum: 8 });
    await acme.apply(
      ...network('front', '10.9.1.0/24'),
      ...network('back', '10.9.2.0/24'),
      ...network('wires', '10.9.3.0/24'),
      port('client', 'front', { vfNumber: 0 }),
      port('server', 'back', { vfNumber: 1 }),
      port('wall-ingress', 'wires', { sfNumber: 1 }),
      port('wall-egress', 'wires', { sfNumber: 2 }),
    );
    [client, server] = [await acme.connectPod('client'), await acme.connectPod('server')];
    await site.apply('Workload', 'wall', {
      command: [process.execPath, `${CNFS}/firewall/main.mjs`],
      dpu: DPU.name,
      interfaces: [
        { name: 'ingress', port: 'wall-ingress', defaultRoute: false },
        { name: 'egress', port: 'wall-egress', defaultRoute: false },
      ],
      terminationGraceSeconds: 1,
    });
    await site.ready('wall', ({ status: { interfaces } }) => interfaces.length === 1);
    await site.apply('WorkloadConfiguration', 'wall', {
      workload: 'wall',
      interface: 'firewall',
      configuration: {
        rules: [allow('ICMP'), allow('UDP')],
        defaultAction: { outbound: 'DROP', inbound: 'DROP' },
      },
    });
    await site.configured('wall', ({ status: { appliedGeneration } }) => appliedGeneration === 1);
  }, 90_000);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  }, 60_000);

  /** Packets of a flow while the firewall is killed, and until it passes them again. */
  async function kill(failureMode: 'FAIL_OPEN' | 'FAIL_CLOSED') {
    await acme.apply(chain(failureMode));
    await acme.state.until(
      'the chain is Ready',
      () => {
        const { conditions = [] } =
          acme.state.get(acme.address('ServiceChain', 'through-the-wall'))?.status ?? {};
        return findCondition(conditions, 'Ready')?.status === 'True' || undefined;
      },
      READY_MILLISECONDS,
    );
    const [ip = ''] = server.addresses;
    await waitReachable(client, ip);
    const { restarts } = (await site.workload('wall')).status;
    const flow = UdpFlow.start({ from: client, to: server, ip, rate: 500 });
    await flow.progress(500);
    const [process] = processesWith('OUTBOARD_WORKLOAD=wall');
    const killedAt = performance.now();
    globalThis.process.kill(process ?? 0, 'SIGKILL');
    await site.ready('wall', ({ status }) => status.restarts > restarts);
    const downMilliseconds = performance.now() - killedAt;
    await flow.progress(500);
    const report = await flow.stop();
    await waitUntil('the firewall sees packets again', async () => {
      await waitReachable(client, ip);
      const { rules } = (await site.call('wall', 'firewall', 'counters')) as {
        rules?: Record<string, { packets: string }>;
      };
      return Number(rules?.icmp?.packets ?? 0) > 0 ? undefined : JSON.stringify(rules);
    });
    return { ...report, downMilliseconds };
  }

  it('lets nothing pass in FAIL_CLOSED until it is up again', async () => {
    const { gaps, longestGapMilliseconds, receiverDrops } = await kill('FAIL_CLOSED');
    expect(receiverDrops).toBe(0);
    expect(longestGapMilliseconds).toBeGreaterThan(DOWN_MILLISECONDS);
    // In one piece: no packet came through while it was down.
    expect(gaps.filter(({ milliseconds }) => milliseconds > 100)).toHaveLength(1);
  }, 60_000);

  it('lets packets pass without it in FAIL_OPEN while it is down, and through it when it is up again', async () => {
    const { longestGapMilliseconds, receiverDrops, downMilliseconds } = await kill('FAIL_OPEN');
    expect(receiverDrops).toBe(0);
    expect(longestGapMilliseconds).toBeLessThan(downMilliseconds);
  }, 60_000);
});
