import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CHECKS, type Check, type CheckReport } from './checks.js';
import { buildImage } from './image.js';
import { runGuest } from './virtual-machine.js';

const DEADLINE_MILLISECONDS = 480_000;
jest.setTimeout(DEADLINE_MILLISECONDS + 20_000);

const root = fileURLToPath(new URL('../..', import.meta.url));
const kernel = fileURLToPath(new URL('../../.outboard/guest-kernel', import.meta.url));

describe("the Linux driver on a kernel with all kinds of devices, Debian's in a virtual machine", () => {
  const reports = new Map<Check, CheckReport>();
  const others: string[] = [];

  beforeAll(async () => {
    if (!existsSync(kernel))
      throw new Error('there is no kernel for the guest: node test/qemu/set-up.mjs gets one');
    const image = buildImage(root, kernel, 'test/dist/qemu/guest.js');
    const start = performance.now();
    await runGuest({
      kernel,
      image,
      deadlineMilliseconds: DEADLINE_MILLISECONDS,
      onLine(line) {
        // Firmware may have left something at the beginning of the first line.
        const json = line.slice(line.indexOf('{"check"'));
        if (!json.startsWith('{')) {
          others.push(line);
          return;
        }
        const report = JSON.parse(json) as CheckReport;
        reports.set(report.check, report);
        const seconds = ((performance.now() - start) / 1000).toFixed(1);
        process.stdout.write(`${seconds} s: ${report.check} took ${report.milliseconds} ms\n`);
      },
    });
  });

  it.each(Object.entries(CHECKS) as [Check, string][])('%s: %s', (check) => {
    const report = reports.get(check);
    if (report === undefined)
      throw new Error(`the guest did not come to it; it said: ${others.slice(-20).join('\n')}`);
    expect(report.why).toBeUndefined();
  });
});
