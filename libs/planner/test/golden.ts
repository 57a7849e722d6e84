import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { findCondition } from '@outboard/model';
import { compiledDocuments } from './invariants.js';
import type { Lab } from './lab.js';

const FOLDER = join(import.meta.dirname, 'golden');

/** What people check: every document, and what each port says. Uids read as the names of their resources. */
export function pictureOf(lab: Lab): unknown {
  const names = [...lab.rows.values()].flatMap((record) => ('resource' in record ? [record.resource] : []));
  const ports = lab.records('Port').map(({ resource: { metadata, status } }) => {
    const ready = findCondition(status.conditions, 'Ready');
    const { dpu, mtu } = status;
    return [
      `${metadata.tenant}/${metadata.name}`,
      { dpu, mtu, ready: ready?.status, reason: ready?.reason, message: ready?.message },
    ] as const;
  });
  let text = JSON.stringify({
    documents: inOrder(compiledDocuments(lab.world)),
    ports: inOrder(Object.fromEntries(ports)),
  });
  for (const { kind, metadata } of names) {
    text = text.replaceAll(metadata.uid, `{${kind.toLowerCase()} ${metadata.tenant}/${metadata.name}}`);
  }
  return inOrder(JSON.parse(text));
}

/** Objects with their fields in order: uids, which decide the order of keys, differ from run to run. */
function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, inOrder(item)] as const);
  return Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** Compares with the stored picture. `UPDATE_GOLDEN=1` stores what there is instead, for people to review. */
export function expectGolden(name: string, picture: unknown): void {
  const file = join(FOLDER, `${name}.json`);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, `${JSON.stringify(picture, null, 2)}\n`);
  if (!existsSync(file))
    throw new Error(`${file} is missing: run the tests with UPDATE_GOLDEN=1 and review it`);
  expect(picture).toEqual(JSON.parse(readFileSync(file, 'utf8')));
}
