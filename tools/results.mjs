import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Adds up what the jest reporter (jest-results.mjs) left in a folder, one JSON file a project. */
export function summarise(folder) {
  const suites = readdirSync(folder)
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')))
    .map((suite) => (suite.running ? { passed: 0, failed: 1, skipped: 0, ...suite } : suite));
  const total = (field) => suites.reduce((sum, suite) => sum + suite[field], 0);
  return { suites, passed: total('passed'), failed: total('failed'), skipped: total('skipped') };
}

export const tellSuite = ({ name, passed, failed, seconds, running }) =>
  running
    ? `${name}: did not end, in ${running}`
    : `${name}: ${passed} passed, ${failed} failed, ${seconds.toFixed(1)} s`;
