import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Manifest } from '@outboard/local-stack';
import { parseAllDocuments } from 'yaml';

/** The examples of network functions. */
export const CNFS = fileURLToPath(new URL('../../examples/cnfs', import.meta.url));
/** Where the manifests say that they are on a DPU. */
const INSTALLED = '/opt/cnfs';

/** Documents of `examples/cnfs/manifests/<name>.yaml`. */
export function manifests(name: string): Manifest[] {
  const text = readFileSync(join(CNFS, 'manifests', `${name}.yaml`), 'utf8').replaceAll(INSTALLED, CNFS);
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** The one of a kind and name. */
export function manifest(file: string, kind: string, name: string): Manifest {
  const found = manifests(file).find((each) => each.kind === kind && each.metadata.name === name);
  if (found === undefined) throw new Error(`${file} has no ${kind} ${name}`);
  return found;
}
