import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import { type Pod, TcpBulk, UdpFlow, waitConnected } from '@outboard/testbed';

const PORTS = 500;
/** Every fifth port is deleted again while things are killed. */
const isDeleted = (index: number): boolean => index % 5 === 0;

const DPUS = [1, 2].map((number) => ({
  name: `dpu-${number}`,
  serialNumber: `OB-CRASH-${number}`,
  pfMacAddress: `02:0b:00:00:0${number}:00`,
  functions: 256,
}));

const portOnFunction = (index: number): Manifest => {
  const { serialNumber, pfMacAddress } = DPUS[index % 2] as (typeof DPUS)[number];
  return {
    kind: 'Port',
    metadata: { name: `port-${index}` },
    spec: { network: 'red', function: { serialNumber, pfMacAddress, vfNumber: 2 + Math.floor(index / 2) } },
  };
};

const flowPort = (name: string, dpu: number, vfNumber: number, ip: string): Manifest => ({
  kind: 'Port',
  metadata: { name },
  spec: {
    network: 'red',
    function: { serialNumber: DPUS[dpu]?.serialNumber, pfMacAddress: DPUS[dpu]?.pfMacAddress, vfNumber },
    addresses: [{ subnet: 'red-v4', ip }],
  },
});

/** Every process dies once, in this order, each after so many answers more. */
const VICTIMS = ['network-intent', 'dataplane-worker/dpu-1', 'admin', 'nats', 'dataplane-worker/dpu-2'];

describe('crashes under load', () => {
  let stack: LocalStack;
  let acme: Workspace;
  let pods: Pod[];

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'crash', dpus: DPUS, resyncSeconds: 0 });
    acme = await stack.workspace('acme');
    await acme.apply(
      { kind: 'Network', metadata: { name: 'red' }, spec: {} },
      { kind: 'Subnet', metadata: { name: 'red-v4' }, spec: { network: 'red', cidr: '10.9.0.0/16' } },
      flowPort('near', 0, 0, '10.9.255.1'),
      flowPort('far', 1, 0, '10.9.255.2'),
    );
    pods = [await acme.connectPod('near'), await acme.connectPod('far')];
    await waitConnected(pods);
  }, 60_000);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  }, 30_000);

  it('loses no intent and doubles none, and running flows lose no packet, while every process is killed once', async () => {
    const [near, far] = pods as [Pod, Pod];
    const flows = [UdpFlow.start({ from: near, to: far }), UdpFlow.start({ from: far, to: near })];
    const bulk = await TcpBulk.start(stack.testbed, { from: near, to: far });

    let answered = 0;
    const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
    const reached = (count: number): Promise<void> =>
      new Promise((resolve) => {
        if (answered >= count) resolve();
        else waiting.push({ count, resolve });
      });
    const submissions = Array.from({ length: PORTS }, async (_, index) => {
      const accepted = await acme.submit(portOnFunction(index));
      answered++;
      for (const { count, resolve } of waiting) if (answered >= count) resolve();
      expect(accepted).toMatchObject({ ok: true });
      if (isDeleted(index)) await acme.delete('Port', `port-${index}`);
    });
    for (const [turn, victim] of VICTIMS.entries()) {
      await reached((turn * PORTS) / (VICTIMS.length + 1));
      await stack.stack.kill(victim);
      await stack.stack.restart(victim);
    }
    await Promise.all(submissions);

    // Nothing lost, nothing doubled: exactly the ports that were asked for, each applied and read back everywhere.
    const kept = Array.from({ length: PORTS }, (_, index) => index).filter((index) => !isDeleted(index));
    for (const index of kept) await acme.ready(`port-${index}`, 1, 60_000);
    const wanted = [...kept.map((index) => `port-${index}`), 'near', 'far'].sort();
    const listed = await stack.ports('acme');
    expect(listed.map(({ metadata }) => metadata.name).sort()).toEqual(wanted);
    const addresses = listed.flatMap(({ status }) => status.addresses.map(({ ip }) => ip));
    expect(new Set(addresses).size).toBe(wanted.length);
    await acme.state.until(
      'every port is known on both DPUs',
      (state) =>
        [...state.values()].every((each) => each.kind !== 'Port' || isPropagated(each.status.propagated)),
      60_000,
    );
    for (const [index, dpu] of DPUS.entries()) {
      const expected = kept.filter((port) => port % 2 === index).length + 1;
      expect((await stack.endpoints(dpu.name)).size).toBe(expected);
    }
    const dead: string[] = [];
    const operator = await stack.operator();
    await new Promise<void>((resolve, reject) => {
      const spec = { stream: 'OUTBOARD_DEAD', filterSubject: 'outboard.v1alpha1.dead.>', from: 0 } as const;
      operator
        .watch(spec, { message: ({ subject }) => void dead.push(subject), current: resolve })
        .catch(reject);
    });
    expect(dead).toEqual([]);

    const reports = await Promise.all(flows.map((flow) => flow.stop()));
    const { forward, backward, failure } = await bulk.stop();
    for (const { sent, lost, gaps } of reports) {
      process.stdout.write(`flow: ${sent} packets sent, ${lost} lost, gaps ${JSON.stringify(gaps)}\n`);
    }
    process.stdout.write(
      `bulk: ${JSON.stringify({ forward: forward?.stalls, backward: backward?.stalls, failure })}\n`,
    );
    for (const report of reports) {
      expect(report).toMatchObject({ lost: 0, receiverDrops: 0 });
      expect(report.sent).toBeGreaterThanOrEqual((report.milliseconds / 1000) * 990);
    }
    expect(failure).toBeUndefined();
    expect(forward?.bytes).toBeGreaterThan(0);
    expect(backward?.bytes).toBeGreaterThan(0);
  }, 240_000);
});

const isPropagated = (propagated: { applied: number; total: number } | undefined): boolean =>
  propagated !== undefined && propagated.applied === propagated.total;
