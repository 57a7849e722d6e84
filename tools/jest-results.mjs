import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A jest reporter that leaves the counts of a project in the folder OUTBOARD_TEST_RESULTS, for the closing line. */
export default class ResultsReporter {
  constructor(globalConfig) {
    this.name = relative(ROOT, globalConfig.rootDir);
  }

  onRunComplete(_contexts, results) {
    const folder = process.env.OUTBOARD_TEST_RESULTS;
    if (!folder) return;
    const counts = {
      name: this.name,
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
      seconds: (Date.now() - results.startTime) / 1000,
    };
    writeFileSync(join(folder, `${this.name.replaceAll('/', '-')}.json`), JSON.stringify(counts));
  }
}
