import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Manifest } from '@outboard/local-stack';
import { parseAllDocuments } from 'yaml';

/** The examples of network functions. */
export const CNFS = fileURLToPath(new URL('../../examples/cnfs', import.meta.url));

/** Documents of `examples/cnfs/manifests/<name>.yaml`; functions of the DPU's own are those of the host, for pods. */
export function manifests(name: string): Manifest[] {
  const text = readFileSync(join(CNFS, 'manifests', `${name}.yaml`), 'utf8').replaceAll(
    'sfNumber',
    'vfNumber',
  );
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}
