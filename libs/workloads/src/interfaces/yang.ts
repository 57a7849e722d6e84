import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../container/find-program.js';
import { runProgram } from '../container/run-program.js';

const TIMEOUT_MILLISECONDS = 5_000;
const MAX_SAID = 300;
/** Debian's nobody and nogroup. */
const NOBODY = '65534';

/**
 * What yanglint says of a module: `VALID`, `INVALID: <why>`, or `UNCHECKED: <why>`. It reads what a CNF has written, so it
 * runs as nobody, and not for long.
 */
async function checkYang(text: string): Promise<string> {
  if (text === '') return '';
  const program = findProgram('yanglint');
  const drop = findProgram('setpriv');
  if (program === undefined || drop === undefined) return 'UNCHECKED: yanglint is not installed on this DPU';
  const name = /^\s*(?:sub)?module\s+"?([A-Za-z_][A-Za-z0-9_.-]{0,63})"?\s*\{/m.exec(text)?.[1];
  if (name === undefined) return 'INVALID: it does not begin with a module of a name';
  const directory = await mkdtemp(join(tmpdir(), 'outboard-yang-'));
  try {
    const file = join(directory, `${name}.yang`);
    await writeFile(file, text, { mode: 0o644 });
    await runProgram('chmod', ['755', directory], { timeoutMilliseconds: TIMEOUT_MILLISECONDS });
    const privileges = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', '--no-new-privs'];
    const { code, timedOut, stderr } = await runProgram(drop, [...privileges, program, file], {
      timeoutMilliseconds: TIMEOUT_MILLISECONDS,
      directory,
    });
    if (timedOut) return `INVALID: yanglint takes more than ${TIMEOUT_MILLISECONDS} ms over it`;
    return code === 0 ? 'VALID' : `INVALID: ${stderr.replaceAll(directory, '').trim().slice(0, MAX_SAID)}`;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const MAX_KNOWN = 16;

/** Checks of modules, each text once. */
export class YangChecks {
  readonly #known = new Map<string, Promise<string>>();

  check(text: string): Promise<string> {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    const checked = checkYang(text).catch((failure: unknown) => `UNCHECKED: ${String(failure)}`);
    this.#known.set(text, checked);
    return checked;
  }
}
