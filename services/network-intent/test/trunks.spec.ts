import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { functionOf, NetworkLaboratory } from './network-laboratory.js';

const EXAMPLE = new URL('../../../examples/trunks/acme.yaml', import.meta.url);
const VLANS = ['cnf-0-customers', 'cnf-0-carrier'];

describe('a function in three networks by VLANs, as the example has it', () => {
  let laboratory: NetworkLaboratory;

  /** What became of each resource of the example, on a DPU of this fleet. */
  const applyExample = async (dpu: string): Promise<Map<string, string>> => {
    const outcomes = new Map<string, string>();
    for (const document of parseAllDocuments(readFileSync(EXAMPLE, 'utf8'))) {
      const { kind, metadata, spec } = document.toJS();
      const placed = spec.function ? { ...spec, function: functionOf(dpu, 0) } : spec;
      const { transition, json } = await laboratory.apply(kind, metadata.name, placed);
      const [{ reason = '' } = {}] = json.details ?? [];
      outcomes.set(metadata.name, `${transition} ${reason}`.trim());
    }
    await laboratory.quiet();
    return outcomes;
  };

  beforeEach(async () => {
    laboratory = await NetworkLaboratory.open();
    await laboratory.fleet(['dpu-1', 'dpu-2'], 3);
    await laboratory.admin.putDpu('dpu-1', { capabilities: ['trunk'] });
    await laboratory.quiet();
  });
  afterEach(() => laboratory.close());

  it('is ready with each of its ports', async () => {
    const outcomes = await applyExample('dpu-1');
    expect(new Set(outcomes.values())).toEqual(new Set(['accepted']));
    for (const port of ['cnf-0', ...VLANS])
      expect([port, laboratory.condition(port, 'Ready')]).toEqual([port, 'True AppliedAndReadBack']);
  });

  it('is refused its VLANs, and nothing else, on a DPU whose dataplane cannot do it', async () => {
    const outcomes = await applyExample('dpu-2');
    const refused = [...outcomes].filter(([, outcome]) => outcome !== 'accepted');
    expect(refused).toEqual(VLANS.map((name) => [name, 'refused TRUNK_UNSUPPORTED']));
    expect(laboratory.condition('cnf-0', 'Ready')).toBe('True AppliedAndReadBack');
  });
});
