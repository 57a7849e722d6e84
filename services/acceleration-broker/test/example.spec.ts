import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { parseAllDocuments } from 'yaml';
import type { Kind } from '../src/domain/commands.js';
import { BrokerLaboratory } from './broker-laboratory.js';

it('examples/acceleration is accepted, and served by its DPU', async () => {
  const laboratory = await BrokerLaboratory.open();
  await laboratory.dpus('dpu-a');
  const text = readFileSync(new URL('../../../examples/acceleration/session.yaml', import.meta.url), 'utf8');
  for (const document of parseAllDocuments(text)) {
    const manifest = document.toJS() as { kind: Kind };
    unwrap(await laboratory.request('apply', manifest.kind, manifest));
  }
  expect(laboratory.where('backup-0')).toBe('dpu-a 1 Placed Serving');
  expect(laboratory.objects('dpu-a')).toHaveLength(2);
  await laboratory.close();
});
