import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Workspace } from '@outboard/local-stack';
import { findCondition } from '@outboard/model';
import { AF, link, NetlinkSocket, neighbour } from '@outboard/netlink';
import { type Pod, UdpFlow, waitConnected, waitReachable, waitUntil } from '@outboard/testbed';
import { BLUE, port } from './manifests.js';

/** What the system promises for changes from outside, with the periodic comparison switched off. */
const REPAIR_MILLISECONDS = 1_000;
const LEASE_MILLISECONDS = 1_500;

describe('a DPU that something happens to', () => {
  let stack: LocalStack;
  let acme: Workspace;
  let web: Pod;
  let db: Pod;

  beforeAll(async () => {
    stack = await LocalStack.start({
      name: 'repair',
      resyncSeconds: 0,
      leaseMilliseconds: LEASE_MILLISECONDS,
    });
    acme = await stack.workspace('acme');
    await acme.apply(...BLUE, port('web', 'dpu-a', 0), port('db', 'dpu-b', 0));
    [web, db] = [await acme.connectPod('web'), await acme.connectPod('db')];
    await waitConnected([web, db]);
  }, 60_000);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  }, 30_000);

  /** Does something to the router's namespace of acme on a DPU. */
  const inRouter = async <Value>(
    dpu: string,
    act: (socket: NetlinkSocket) => Promise<Value>,
  ): Promise<Value> => {
    const { machine } = stack.testbed.dpu(dpu);
    const name = (await machine.namespaces()).find((each) => each.includes('acme')) ?? '';
    const namespace = await machine.openNamespace(name);
    const socket = NetlinkSocket.open({ namespace });
    try {
      return await act(socket);
    } finally {
      socket.close();
      namespace.close();
    }
  };

  const linksIn = (dpu: string) => inRouter(dpu, (socket) => socket.dump(link.dump()));

  it.each([
    ['the bridge', /^obb/],
    ['the tunnel', /^obx/],
    ["the port's device", /^obp/],
  ])('has %s back within a second after it was deleted by hand, and traffic with it', async (_, pattern) => {
    const before = (await linksIn('dpu-a')).find(({ ifname }) => pattern.test(ifname ?? ''));
    expect(before).toBeDefined();
    await inRouter('dpu-a', (socket) => socket.send(link.remove({ ifiIndex: before?.ifiIndex ?? 0 })));
    await waitUntil(
      `${before?.ifname} is back`,
      async () => {
        const links = await linksIn('dpu-a');
        const isBack = links.some(
          ({ ifname, ifiIndex }) => ifname === before?.ifname && ifiIndex !== before?.ifiIndex,
        );
        return isBack ? undefined : 'it is not there';
      },
      REPAIR_MILLISECONDS,
    );
    await waitReachable(web, db.addresses[0] ?? '', { deadlineMilliseconds: 5_000 });
  });

  it('has a forwarding entry and a neighbour back within a second after they were deleted by hand', async () => {
    const mac = acme.port('db')?.status.macAddress;
    const entriesOf = (socket: NetlinkSocket, ndmFamily: number) =>
      socket.dump(neighbour.dump({ ndmFamily }));
    const count = (): Promise<number> =>
      inRouter('dpu-a', async (socket) => {
        const all = [...(await entriesOf(socket, AF.BRIDGE)), ...(await entriesOf(socket, AF.INET))];
        return all.filter(({ lladdr }) => lladdr === mac).length;
      });
    const before = await count();
    expect(before).toBeGreaterThanOrEqual(2);
    await inRouter('dpu-a', async (socket) => {
      for (const family of [AF.BRIDGE, AF.INET]) {
        const entries = (await entriesOf(socket, family)).filter(({ lladdr }) => lladdr === mac);
        for (const entry of entries) await socket.send(neighbour.remove(entry));
      }
    });
    await waitUntil(
      'the entries are back',
      async () => ((await count()) === before ? undefined : 'not all are'),
      REPAIR_MILLISECONDS,
    );
  });

  it('leaves what is foreign alone', async () => {
    await inRouter('dpu-a', (socket) =>
      socket.send(link.create({ ifname: 'foreign0', linkinfo: { kind: 'bridge' } })),
    );
    await acme.apply(port('web', 'dpu-a', 0, { allowedAddressPairs: [{ ip: '192.0.2.1' }] }));
    await acme.ready('web', 2);
    expect((await linksIn('dpu-a')).some(({ ifname }) => ifname === 'foreign0')).toBe(true);
  });

  it('keeps traffic when its worker dies, is shown as unreachable after its lease, and as ready when it is back', async () => {
    const flow = UdpFlow.start({ from: web, to: db });
    await stack.stack.kill('dataplane-worker/dpu-b');
    const unreachable = await acme.state.until(
      'the port of the dead worker is not ready',
      () => {
        const found = acme.port('db');
        const ready = found && findCondition(found.status.conditions, 'Ready');
        return ready?.status !== 'True' ? ready : undefined;
      },
      LEASE_MILLISECONDS + 5_000,
    );
    expect(unreachable).toMatchObject({
      reason: 'DpuUnreachable',
      message: expect.stringContaining('dpu-b'),
    });
    await stack.stack.restart('dataplane-worker/dpu-b');
    await acme.ready('db');
    const report = await flow.stop();
    process.stdout.write(`flow while the worker was dead: ${report.sent} sent, ${report.lost} lost\n`);
    expect(report).toMatchObject({ lost: 0, receiverDrops: 0 });
  }, 30_000);

  it('has its whole state back after a reboot, without anyone asking', async () => {
    await stack.testbed.rebootDpu('dpu-b');
    await stack.stack.restart('dataplane-worker/dpu-b');
    await waitReachable(web, db.addresses[0] ?? '', { deadlineMilliseconds: 15_000 });
    await acme.ready('db');
  }, 30_000);
});
