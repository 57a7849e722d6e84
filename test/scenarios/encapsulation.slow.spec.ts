import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ResourceClient } from '@outboard/client';
import { systemClock, unwrap } from '@outboard/core';
import { LocalStack, type Manifest, OVS_EXAMPLE, type Workspace } from '@outboard/local-stack';
import { kindOf } from '@outboard/model';
import {
  arpFrame,
  type DpuSpecification,
  encapsulated,
  FrameCapture,
  FrameSender,
  isArp,
  type Pod,
  ping,
  taggedFrame,
  waitReachable,
  waitUntil,
} from '@outboard/testbed';
import { parseAllDocuments } from 'yaml';

const UDP_DESTINATION = 36;
const GENEVE_PORT = 6081;
const WIRES = { underlay: 'up-1', provider: 'pv-1' } as const;
/** Machines of the fabric that know nothing of Outboard: by their VLAN. */
const MACHINES = { 101: '02:00:5e:00:ba:65', 102: '02:00:5e:00:ba:66' } as const;
const MACHINE_IP = '10.6.0.200';
const [DPU_C, DPU_D] = OVS_EXAMPLE.dpus;

/** The testbed's second uplink is `up1`. */
const example = (name: string): Manifest[] => {
  const file = new URL(`../../examples/encapsulation/${name}.yaml`, import.meta.url);
  const text = readFileSync(file, 'utf8').replaceAll('uplink: p0', 'uplink: up1');
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
};

const port = (
  name: string,
  network: string,
  { serialNumber, pfMacAddress }: DpuSpecification,
  vfNumber: number,
) =>
  ({
    kind: 'Port',
    metadata: { name },
    spec: { network, function: { serialNumber, pfMacAddress, vfNumber } },
  }) as const;

/** Everything runs for real: nats-server, the services, and a worker with an Open vSwitch on each of two DPUs. */
describe('a network admin who wants GENEVE for all, and lets workloads ask for VLAN in a range', () => {
  let stack: LocalStack;
  let acme: Workspace;
  const pods = new Map<string, Pod>();
  const podOf = (name: string): Pod => {
    const pod = pods.get(name);
    if (!pod) throw new Error(`no pod ${name}`);
    return pod;
  };
  const addressOf = (name: string): string => podOf(name).addresses[0] ?? '';
  const segmentOf = (network: string) => {
    const resource = acme.state.get(acme.address('Network', network));
    return resource?.kind === 'Network' ? resource.status.segment : undefined;
  };
  /** UDP ports that tunnelled frames on a wire of the first DPU went to while something was done. */
  const tunnels = async (wire: string, act: () => Promise<unknown>): Promise<number[]> => {
    const seen = new Set<number>();
    const capture = await FrameCapture.open(stack.testbed.fabric, wire, (frame) => {
      if (encapsulated(frame) !== undefined) seen.add(frame.readUInt16BE(UDP_DESTINATION));
      return true;
    });
    try {
      await act();
      await waitUntil('frames are seen', () => (capture.report.seen > 0 ? undefined : 'none'));
      expect(capture.report.drops).toBe(0);
      return [...seen];
    } finally {
      capture[Symbol.dispose]();
    }
  };

  beforeAll(async () => {
    stack = await LocalStack.start({
      name: 'encapsulation',
      dpus: OVS_EXAMPLE.dpus,
      drivers: Object.fromEntries(OVS_EXAMPLE.dpus.map(({ name }) => [name, 'ovs'])),
      providerNetwork: true,
      tenants: ['acme'],
    });
    const admin = new ResourceClient(await stack.operator(), systemClock);
    for (const document of [...example('physical-network'), ...example('policy')]) {
      const { kind } = document;
      unwrap(await admin.apply({ api: kindOf({ kind }).api, kind }, '_', document));
    }
    acme = await stack.workspace('acme');
    const rack2 = { networkType: 'VLAN', physicalNetwork: 'physnet1', segmentationId: 102 };
    const strip = ({ kind, metadata: { name }, spec }: Manifest): Manifest => ({
      kind,
      metadata: { name },
      spec,
    });
    await acme.apply(
      { kind: 'Router', metadata: { name: 'other' }, spec: {} },
      ...example('networks').map(strip),
      { kind: 'Network', metadata: { name: 'rack2' }, spec: { router: 'other', segment: rack2 } },
      { kind: 'Subnet', metadata: { name: 'inside' }, spec: { network: 'inside', cidr: '10.5.0.0/24' } },
      { kind: 'Subnet', metadata: { name: 'rack' }, spec: { network: 'rack', cidr: '10.6.0.0/24' } },
      { kind: 'Subnet', metadata: { name: 'rack2' }, spec: { network: 'rack2', cidr: '10.6.0.0/24' } },
    );
    const networks = ['inside', 'rack', 'rack2'];
    for (const [index, network] of networks.entries()) {
      await acme.apply(
        port(`${network}-c`, network, DPU_C, index),
        port(`${network}-d`, network, DPU_D, index),
      );
    }
    for (const name of networks.flatMap((network) => [`${network}-c`, `${network}-d`]))
      pods.set(name, await acme.connectPod(name));
  }, 60_000);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  }, 30_000);

  it('has what asks for nothing in GENEVE: its frames cross the fabric in no other tunnel', async () => {
    expect(segmentOf('inside')).toMatchObject({ networkType: 'GENEVE' });
    const act = () => waitReachable(podOf('inside-c'), addressOf('inside-d'));
    expect(await tunnels(WIRES.underlay, act)).toEqual([GENEVE_PORT]);
  });

  it('has what asks for VLAN in no tunnel, and frames as large as the fabric takes', async () => {
    expect(segmentOf('rack')).toMatchObject({ networkType: 'VLAN', segmentationId: 101 });
    const whole = { doNotFragment: true, payloadBytes: 1500 - 28 };
    const act = async () => {
      await waitReachable(podOf('rack-c'), addressOf('rack-d'));
      expect(await ping(podOf('rack-c'), addressOf('rack-d'), whole)).toMatchObject({ received: 1 });
    };
    expect(await tunnels(WIRES.provider, act)).toEqual([]);
  });

  it('has VLANs with the same addresses apart, and a machine of the fabric in the one whose tag it has', async () => {
    await waitReachable(podOf('rack2-c'), addressOf('rack2-d'));
    // The first addresses of both are the same ones.
    expect(addressOf('rack-c')).toBe(addressOf('rack2-c'));
    const answers = new Map<string, Set<string>>();
    const { fabric } = stack.testbed;
    const capture = await FrameCapture.open(fabric, WIRES.provider, (frame, direction) => {
      if (direction !== 'in' || !isArp(frame)) return false;
      const [to, from] = [frame.subarray(0, 6), frame.subarray(6, 12)].map((each) => each.toString('hex'));
      answers.set(to ?? '', (answers.get(to ?? '') ?? new Set()).add(from ?? ''));
      return true;
    });
    const sender = await FrameSender.open(fabric, WIRES.provider);
    const hexOf = (mac: string): string => mac.replaceAll(':', '');
    try {
      for (const [vlanId, name] of [
        [101, 'rack-c'],
        [102, 'rack2-c'],
      ] as const) {
        const senderMac = MACHINES[vlanId];
        const targetIp = addressOf(name);
        const question = arpFrame({ operation: 'request', senderMac, senderIp: MACHINE_IP, targetIp });
        await waitUntil(`${name} answers`, () => {
          sender.send(taggedFrame(question, vlanId));
          void capture.report;
          return answers.has(hexOf(senderMac)) ? undefined : 'nobody answers';
        });
        const answerers = [...(answers.get(hexOf(senderMac)) ?? [])];
        expect(answerers).toEqual([hexOf(acme.port(name)?.status.macAddress ?? '')]);
      }
    } finally {
      sender[Symbol.dispose]();
      capture[Symbol.dispose]();
    }
  });

  it.each([
    [
      'an id that is not in the range',
      { networkType: 'VLAN', physicalNetwork: 'physnet1', segmentationId: 250 },
      { field: 'spec.segment.segmentationId', description: 'must be 100-199 on physnet1' },
    ],
    [
      'an encapsulation that nobody may ask for',
      { networkType: 'VXLAN', segmentationId: 7 },
      { field: 'spec.segment.networkType', description: 'must be one of GENEVE, VLAN, FLAT' },
    ],
  ])('has a workload refused that asks for %s, by the rule', async (_, segment, violation) => {
    const refused = await acme.submit({ kind: 'Network', metadata: { name: 'no' }, spec: { segment } });
    expect(refused).toMatchObject({
      ok: false,
      error: {
        code: 'INVALID_ARGUMENT',
        reason: 'SEGMENT_OUTSIDE_POLICY',
        metadata: { policy: 'default' },
        violations: [violation],
      },
    });
  });
});
