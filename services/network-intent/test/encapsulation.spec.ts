import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { functionOf, NetworkLaboratory } from './network-laboratory.js';

const EXAMPLES = new URL('../../../examples/encapsulation/', import.meta.url);

describe("the network admin's rules, as the examples have them", () => {
  let laboratory: NetworkLaboratory;

  const applyExample = async (file: string): Promise<void> => {
    const documents = parseAllDocuments(readFileSync(new URL(file, EXAMPLES), 'utf8'));
    for (const { kind, metadata, spec } of documents.map((document) => document.toJS())) {
      const { transition, json } = await laboratory.apply(kind, metadata.name, spec);
      expect([metadata.name, transition, json.message]).toEqual([metadata.name, 'accepted', undefined]);
    }
  };
  const capable = { capabilities: ['geneve', 'vlan', 'flat'] };

  beforeEach(async () => {
    laboratory = await NetworkLaboratory.open();
    await laboratory.fleet(['dpu-1', 'dpu-2'], 3);
    for (const dpu of ['dpu-1', 'dpu-2']) await laboratory.admin.putDpu(dpu, capable);
    await laboratory.quiet();
    await applyExample('physical-network.yaml');
    await applyExample('policy.yaml');
  });
  afterEach(() => laboratory.close());

  it('encapsulate networks as GENEVE, and as VLAN when a workload asks for it', async () => {
    await applyExample('networks.yaml');
    expect(laboratory.network('inside')?.status.segment).toEqual({
      networkType: 'GENEVE',
      segmentationId: 4096,
    });
    expect(laboratory.network('fabric')?.status.segment).toMatchObject({ networkType: 'FLAT' });
    for (const [index, network] of ['inside', 'rack', 'fabric'].entries()) {
      for (const dpu of ['dpu-1', 'dpu-2']) {
        await laboratory.apply('Port', `${network}-${dpu}`, { network, function: functionOf(dpu, index) });
      }
    }
    await laboratory.quiet();
    const ports = ['inside', 'rack', 'fabric'].flatMap((network) => [`${network}-dpu-1`, `${network}-dpu-2`]);
    const ready = ports.map((port) => laboratory.condition(port, 'Ready'));
    expect(new Set(ready)).toEqual(new Set(['True AppliedAndReadBack']));
    expect(laboratory.event('rack-dpu-1', 'ready').json.status).toMatchObject({
      segment: { networkType: 'VLAN', segmentationId: 101, physicalNetwork: 'physnet1' },
      mtu: 1500,
      propagated: { applied: 1, total: 1 },
    });
  });

  it('refuse a VLAN outside the range in an event that names policy and range', async () => {
    const segment = { networkType: 'VLAN', physicalNetwork: 'physnet1', segmentationId: 200 };
    const { transition, json } = await laboratory.apply('Network', 'other', { segment });
    expect(transition).toBe('refused');
    expect(json.details).toMatchObject([
      { reason: 'SEGMENT_OUTSIDE_POLICY', metadata: { policy: 'default', range: '100-199' } },
      {
        fieldViolations: [
          { field: 'spec.segment.segmentationId', description: 'must be 100-199 on physnet1' },
        ],
      },
    ]);
  });

  it('hold after a restart, with what was given', async () => {
    await applyExample('networks.yaml');
    await laboratory.restart();
    await laboratory.quiet();
    await laboratory.apply('Network', 'second', {});
    expect(laboratory.network('second')?.status.segment?.segmentationId).toBe(4097);
    expect((await laboratory.apply('PhysicalNetwork', 'physnet1', undefined)).json).toMatchObject({
      details: [{ reason: 'IN_USE' }],
    });
  });

  it('make a port wait on a DPU that lacks the capability, until it has it', async () => {
    await laboratory.apply('Network', 'inside', {});
    await laboratory.apply('Port', 'web-0', { network: 'inside', function: functionOf('dpu-3', 0) });
    await laboratory.admin.putAll('dpu-3', 1);
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Planned')).toBe('False EncapsulationUnsupported');
    await laboratory.admin.putDpu('dpu-3', capable);
    await laboratory.quiet();
    expect(laboratory.condition('web-0', 'Planned')).toBe('True Planned');
  });
});
