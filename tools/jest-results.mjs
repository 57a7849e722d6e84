import { readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** How long a project may take from its last test to its end. */
const ENDING_MILLISECONDS = 20_000;

/**
 * A jest reporter that leaves the counts of a project in the folder OUTBOARD_TEST_RESULTS, for the closing line; while it
 * runs, which file it is in, for a run that does not end. What tests have left open does not keep the run: it fails it.
 */
export default class ResultsReporter {
  constructor(globalConfig) {
    this.name = relative(ROOT, globalConfig.rootDir);
    this.rootDir = globalConfig.rootDir;
  }

  onTestFileStart(test) {
    this.write({ running: relative(this.rootDir, test.path) });
  }

  onRunComplete(_contexts, results) {
    this.write({
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
      seconds: (Date.now() - results.startTime) / 1000,
    });
    setTimeout(() => this.endWhatIsLeft(), ENDING_MILLISECONDS).unref();
  }

  /** Jest waits for what a test that failed has not closed, and whoever runs jest for processes that hold its output. */
  endWhatIsLeft() {
    const children = descendantsOf(process.pid);
    writeSync(
      2,
      `${this.name}: its tests have left open: ${process.getActiveResourcesInfo().join(', ')}\n${children
        .map(({ pid, command }) => `  process ${pid}: ${command}\n`)
        .join('')}`,
    );
    for (const { pid } of children) process.kill(pid, 'SIGKILL');
    process.exit(1);
  }

  write(result) {
    const folder = process.env.OUTBOARD_TEST_RESULTS;
    if (!folder) return;
    const file = join(folder, `${this.name.replaceAll('/', '-')}.json`);
    writeFileSync(file, JSON.stringify({ name: this.name, ...result }));
  }
}

/** The processes that a process has started, and theirs (proc(5)). */
function descendantsOf(parent) {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [, ppid] = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8')) ?? [];
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return [{ pid: Number(name), ppid: Number(ppid), command }];
      } catch {
        return []; // It has just ended.
      }
    });
  const childrenOf = (pid) =>
    processes.filter(({ ppid }) => ppid === pid).flatMap((child) => [child, ...childrenOf(child.pid)]);
  return childrenOf(parent);
}
