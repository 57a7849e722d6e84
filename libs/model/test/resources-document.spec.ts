import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { expect, it } from '@jest/globals';
import { renderResources } from './resources-document.js';

const ROOT = new URL('../../../', import.meta.url).pathname;
const DOCUMENT = `${ROOT}docs/resources.md`;

it('docs/resources.md is what protos and kinds say (npm run docs:resources writes it)', () => {
  const image = execFileSync(`${ROOT}node_modules/.bin/buf`, ['build', '--output', '-'], { cwd: ROOT });
  const document = renderResources(fromBinary(FileDescriptorSetSchema, image));
  if (process.env.OUTBOARD_WRITE_DOCUMENTS === '1') writeFileSync(DOCUMENT, document);
  expect(readFileSync(DOCUMENT, 'utf8')).toBe(document);
  // Everything that callers may write is explained.
  expect(document.split('\n').filter((line) => /^\| `(spec|metadata)\..*\|\s*\|$/.test(line))).toEqual([]);
});
