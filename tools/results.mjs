import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Adds up what the jest reporter (jest-results.mjs) left in a folder, one JSON file a project. */
export function summarise(folder) {
  const suites = readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')));
  const total = (field) => suites.reduce((sum, suite) => sum + suite[field], 0);
  return { suites, passed: total('passed'), failed: total('failed'), skipped: total('skipped') };
}
