import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Manifest, ResourceClient, type TenantClient } from '@outboard/client';
import { systemClock, unwrap } from '@outboard/core';
import { kindOf } from '@outboard/model';
import { parseAllDocuments } from 'yaml';
import { type DpuName, functionOf } from './manifests.js';
import { Pods } from './pods.js';
import type { FabricSite, SitePod } from './site.js';
import { untilAnswered } from './waiting.js';

/** Machines of the fabric that know nothing of Outboard: by their VLAN. */
const MACHINES = [
  { vlanId: 101, port: 'rack-a', machine: { macAddress: '02:00:5e:00:ba:65', ip: '10.6.0.200' } },
  { vlanId: 102, port: 'rack2-a', machine: { macAddress: '02:00:5e:00:ba:66', ip: '10.6.0.200' } },
] as const;

export interface EncapsulationWorld<Of extends FabricSite> {
  readonly site: Of;
  podOf(name: string): SitePod;
}

const port = (name: string, network: string, dpu: DpuName, vfNumber: number): Manifest => ({
  kind: 'Port',
  metadata: { name },
  spec: { network, function: functionOf(dpu, vfNumber) },
});

/** A network admin who wants GENEVE for all, and lets workloads ask for VLAN in a range: examples/encapsulation. */
export function encapsulationScenario<Of extends FabricSite>(
  open: () => Promise<Of>,
): EncapsulationWorld<Of> {
  let site: Of;
  let acme: TenantClient;
  const pods = new Pods();
  const { of: podOf } = pods;
  const addressOf = (name: string): string => podOf(name).addresses[0] ?? '';
  const segmentOf = (network: string) => {
    const resource = acme.state.get(acme.address('Network', network));
    return resource?.kind === 'Network' ? resource.status.segment : undefined;
  };
  const example = (name: string): Manifest[] => {
    const file = new URL(`../../examples/encapsulation/${name}.yaml`, import.meta.url);
    const text = readFileSync(file, 'utf8').replaceAll('uplink: p0', `uplink: ${site.uplink}`);
    return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
  };

  beforeAll(async () => {
    site = await open();
    const admin = new ResourceClient(await site.operator(), systemClock);
    for (const document of [...example('physical-network'), ...example('policy')]) {
      const { kind } = document;
      unwrap(await admin.apply({ api: kindOf({ kind }).api, kind }, '_', document));
    }
    acme = await site.tenant('acme');
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
    for (const [index, network] of networks.entries())
      await acme.apply(
        port(`${network}-a`, network, 'dpu-a', index),
        port(`${network}-b`, network, 'dpu-b', index),
      );
    for (const name of networks.flatMap((network) => [`${network}-a`, `${network}-b`]))
      pods.set(name, await site.connect(acme, name));
  }, 60_000);

  afterAll(async () => {
    await site?.[Symbol.asyncDispose]();
  }, 30_000);

  it('has what asks for nothing in GENEVE: its frames cross the fabric in no other tunnel', async () => {
    expect(segmentOf('inside')).toMatchObject({ networkType: 'GENEVE' });
    await untilAnswered(site, podOf('inside-a'), addressOf('inside-b'));
    expect(await site.tunnels(podOf('inside-a'), podOf('inside-b'))).toEqual(['GENEVE']);
  });

  it('has what asks for VLAN in no tunnel', async () => {
    expect(segmentOf('rack')).toMatchObject({ networkType: 'VLAN', segmentationId: 101 });
    await untilAnswered(site, podOf('rack-a'), addressOf('rack-b'));
    expect(await site.tunnels(podOf('rack-a'), podOf('rack-b'))).toEqual([]);
  });

  it('has VLANs with the same addresses apart, and a machine of the fabric in the one whose tag it has', async () => {
    await untilAnswered(site, podOf('rack2-a'), addressOf('rack2-b'));
    // The first addresses of both are the same ones.
    expect(addressOf('rack-a')).toBe(addressOf('rack2-a'));
    for (const { vlanId, port, machine } of MACHINES)
      expect(await site.claiming(addressOf(port), vlanId, machine)).toEqual([
        acme.port(port)?.status.macAddress,
      ]);
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

  return {
    get site() {
      return site;
    },
    podOf,
  };
}
