import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Workspace } from '@outboard/local-stack';
import {
  arpFrame,
  connectivityMatrix,
  type Direction,
  EchoServer,
  encapsulated,
  FrameCapture,
  FrameSender,
  isArp,
  type Pod,
  ping,
  tcpEcho,
  udpFrame,
  waitConnected,
  waitReachable,
  waitUnreachable,
  waitUntil,
} from '@outboard/testbed';
import { BLUE, port } from './manifests.js';

const ECHO_PORT = 7000;

/** Everything runs for real: nats-server, the services and a worker on each of two DPUs, as processes. */
describe('an overlay of two DPUs', () => {
  let stack: LocalStack;
  let acme: Workspace;
  let globex: Workspace;
  const pods = new Map<string, Pod>();
  const servers: EchoServer[] = [];

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'overlay' });
    acme = await stack.workspace('acme');
    globex = await stack.workspace('globex');
    for (const [index, workspace] of [acme, globex].entries()) {
      await workspace.apply(
        ...BLUE,
        port('web-0', 'dpu-a', 4 * index, {
          addresses: [{ subnet: 'blue-v4', ip: '10.0.1.11' }, { subnet: 'blue-v6' }],
        }),
        port('web-1', 'dpu-a', 4 * index + 1, {
          addresses: [{ subnet: 'blue-v4', ip: '10.0.1.12' }, { subnet: 'blue-v6' }],
        }),
        port('db-0', 'dpu-b', 4 * index, {
          addresses: [{ subnet: 'blue-v4', ip: '10.0.1.21' }, { subnet: 'blue-v6' }],
        }),
      );
      for (const name of ['web-0', 'web-1', 'db-0']) {
        const pod = await workspace.connectPod(name);
        pods.set(pod.name, pod);
        servers.push(await EchoServer.listen(pod, ECHO_PORT));
      }
    }
  }, 60_000);

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    await stack?.[Symbol.asyncDispose]();
  }, 30_000);

  const podOf = (name: string): Pod => {
    const pod = pods.get(name);
    if (!pod) throw new Error(`no pod ${name}`);
    return pod;
  };

  const tenantPods = (tenant: string): Pod[] =>
    [...pods.values()].filter(({ name }) => name.startsWith(tenant));

  /** A datagram to acme's web-1, from whoever the caller says. */
  const probe = (sourceMac: string, ip: string): Buffer =>
    udpFrame({
      sourceMac,
      destinationMac: acme.port('web-1')?.status.macAddress ?? '',
      source: { ip, port: 4000 },
      destination: { ip: '10.0.1.12', port: 4001 },
      payload: Buffer.from('outboard-probe'),
    });

  // The pod's own "port unreachable" carries the payload as well: only what comes in counts.
  const isProbe = (frame: Buffer, direction: Direction): boolean =>
    direction === 'in' && frame.includes('outboard-probe');

  const arrived = (capture: FrameCapture): Promise<void> =>
    waitUntil('the probe arrives', async () => (capture.report.count > 0 ? undefined : 'nothing has'));

  it('carries IPv4 and IPv6 between all pods of a network, on the same DPU and across', async () => {
    await waitConnected(tenantPods('acme'));
    await waitConnected(tenantPods('globex'));
    const matrix = await connectivityMatrix(tenantPods('acme'));
    expect(matrix.failures).toEqual([]);
  });

  it('keeps tenants with the same addresses apart: an address is answered by the pod of the own tenant', async () => {
    for (const tenant of ['acme', 'globex']) {
      for (const [to, ip] of [
        ['web-1', '10.0.1.12'],
        ['db-0', '10.0.1.21'],
      ] as const) {
        const outcome = await tcpEcho(podOf(`${tenant}-web-0`), { ip, port: ECHO_PORT });
        expect(outcome).toMatchObject({ kind: 'echoed', server: `${tenant}-${to}` });
      }
    }
  });

  it('reaches no address that only the other tenant has', async () => {
    await globex.apply(
      port('only-globex', 'dpu-b', 6, { addresses: [{ subnet: 'blue-v4', ip: '10.0.1.99' }] }),
    );
    await globex.connectPod('only-globex');
    await waitReachable(podOf('globex-web-0'), '10.0.1.99');
    const report = await ping(podOf('acme-web-0'), '10.0.1.99', { count: 3 });
    expect(report.received).toBe(0);
  });

  it('answers ARP for known ports on the DPU: no ARP crosses the tunnel', async () => {
    const capture = await FrameCapture.open(stack.testbed.dpu('dpu-a'), 'up0', (frame) => {
      const inner = encapsulated(frame);
      return inner !== undefined && isArp(inner);
    });
    const web = podOf('acme-web-0');
    const sender = await FrameSender.open(web, 'eth0');
    try {
      const senderMac = acme.port('web-0')?.status.macAddress ?? '';
      sender.send(
        arpFrame({ operation: 'request', senderMac, senderIp: '10.0.1.11', targetIp: '10.0.1.21' }),
      );
      await waitReachable(web, '10.0.1.21');
      expect(capture.report.seen).toBeGreaterThan(0);
      expect(capture.report.count).toBe(0);
    } finally {
      sender[Symbol.dispose]();
      capture[Symbol.dispose]();
    }
  });

  it('carries packets of the announced MTU, and none that are larger', async () => {
    const mtu = acme.port('web-0')?.status.mtu ?? 0;
    expect(mtu).toBe(1450);
    const fits = await ping(podOf('acme-web-0'), '10.0.1.21', {
      payloadBytes: mtu - 28,
      doNotFragment: true,
    });
    expect(fits.received).toBe(1);
    const tooLarge = await ping(podOf('acme-web-0'), '10.0.1.21', {
      payloadBytes: mtu - 27,
      doNotFragment: true,
    });
    expect(tooLarge.received).toBe(0);
  });

  it('drops what a pod sends under an address that is not its own', async () => {
    const own = acme.port('web-0')?.status.macAddress ?? '';
    const capture = await FrameCapture.open(podOf('acme-web-1'), 'eth0', isProbe);
    const sender = await FrameSender.open(podOf('acme-web-0'), 'eth0');
    try {
      sender.send(probe(own, '10.0.1.77'));
      sender.send(probe('02:00:00:00:00:99', '10.0.1.11'));
      // The honest one comes last: once it has arrived, the others would have, too.
      sender.send(probe(own, '10.0.1.11'));
      await arrived(capture);
      expect(capture.report.count).toBe(1);
    } finally {
      sender[Symbol.dispose]();
      capture[Symbol.dispose]();
    }
  });

  it('lets a pod use an allowed address pair', async () => {
    await acme.apply(
      port('router-0', 'dpu-a', 10, {
        addresses: [{ subnet: 'blue-v4', ip: '10.0.1.31' }],
        allowedAddressPairs: [{ ip: '192.0.2.0/24' }],
      }),
    );
    const pod = await acme.connectPod('router-0');
    const capture = await FrameCapture.open(podOf('acme-web-1'), 'eth0', isProbe);
    const sender = await FrameSender.open(pod, 'eth0');
    try {
      sender.send(probe(acme.port('router-0')?.status.macAddress ?? '', '192.0.2.7'));
      await arrived(capture);
    } finally {
      sender[Symbol.dispose]();
      capture[Symbol.dispose]();
    }
  });

  it('moves a port to another DPU: its address stays, and is reached there', async () => {
    await acme.apply(port('mover', 'dpu-a', 11, { addresses: [{ subnet: 'blue-v4', ip: '10.0.1.41' }] }));
    const before = await acme.connectPod('mover');
    await waitReachable(podOf('acme-web-0'), '10.0.1.41');
    await before.detach();

    await acme.apply(port('mover', 'dpu-b', 11, { addresses: [{ subnet: 'blue-v4', ip: '10.0.1.41' }] }));
    const moved = await acme.ready('mover', 2);
    expect(moved.status).toMatchObject({ dpu: 'dpu-b', addresses: [{ ip: '10.0.1.41' }] });
    const pod = await stack.testbed.createPod({ name: 'acme-mover-b', host: 'host-dpu-b' });
    await acme.attachPod(pod, moved);
    await waitReachable(podOf('acme-web-0'), '10.0.1.41');
    await waitReachable(podOf('acme-db-0'), '10.0.1.41');
  });

  it('refuses to delete what is in use, and deletes and recreates what is not', async () => {
    await expect(acme.delete('Network', 'blue')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'IN_USE',
    });
    await acme.apply(
      { kind: 'Network', metadata: { name: 'green' }, spec: {} },
      { kind: 'Subnet', metadata: { name: 'green-v4' }, spec: { network: 'green', cidr: '10.0.2.0/24' } },
    );
    const ports = [
      { ...port('green-0', 'dpu-a', 12), spec: { ...port('', 'dpu-a', 12).spec, network: 'green' } },
      { ...port('green-1', 'dpu-b', 12), spec: { ...port('', 'dpu-b', 12).spec, network: 'green' } },
    ];
    await acme.apply(...ports);
    const first = await acme.connectPod('green-0');
    const second = await acme.connectPod('green-1');
    await waitConnected([first, second]);

    for (const name of ['green-0', 'green-1']) await acme.delete('Port', name);
    await acme.delete('Subnet', 'green-v4');
    await acme.delete('Network', 'green');
    await waitUnreachable(first, second.addresses[0] ?? '');

    await acme.apply(
      { kind: 'Network', metadata: { name: 'green' }, spec: {} },
      { kind: 'Subnet', metadata: { name: 'green-v4' }, spec: { network: 'green', cidr: '10.0.2.0/24' } },
      ...ports,
    );
    await first.detach();
    await second.detach();
    await acme.attachPod(first, await acme.ready('green-0'));
    await acme.attachPod(second, await acme.ready('green-1'));
    await waitConnected([first, second]);
  });
});
