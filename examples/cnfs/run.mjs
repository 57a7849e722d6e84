// Programs that the CNFs call.
import { spawn } from 'node:child_process';

/** Resolves with what it prints. Rejects with what it says on its standard error, unless it ends with 0. */
export function run(program, args, input = '') {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      errors += text;
    });
    child.on('error', reject).on('close', (status) => {
      if (status === 0) resolve(output);
      else reject(new Error(errors.trim() || `${program} ended with ${status}`));
    });
    // It may have ended without reading.
    child.stdin.on('error', () => undefined).end(input);
  });
}
