import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, jest } from '@jest/globals';
import { Installation } from './installation.js';
import { tour } from './tour.js';

jest.setTimeout(60_000);

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const EXAMPLES = [path('../../../examples/two-tenants'), path('../../../examples/open-vswitch')];
const NOBODY = 65_534;
/** For Node and all that it starts: this is another system, of which koffi's build is here. */
const OFF_LINUX = `--import koffi --import data:text/javascript,Object.defineProperty(process,'platform',{value:'darwin'})`;

const dpu = (letter: string, number: number) => ({
  name: `dpu-${letter}`,
  serialNumber: `OB-SIM-000${number}`,
  pfMacAddress: `02:0b:00:00:0${number}:00`,
  functions: 16,
  underlayAddress: `10.255.0.${number}`,
  acceleration: true,
});

describe('the tour of the simulated installation', () => {
  it('shows that every pod of a tenant is reached, and none of another', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'outboard-tour-'));
    const lines: string[] = [];
    const installation = await Installation.start({ directory });
    try {
      for (const [index, letter] of [...'abcd'].entries()) await installation.addDpu(dpu(letter, index + 1));
      await tour(installation, EXAMPLES, (line) => lines.push(line));
    } finally {
      await installation[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    }
    const rows = lines.filter((line) => / ok /.test(line));
    expect(rows.length).toBe(lines.filter((line) => /^ {2}pod /.test(line)).length);
    expect(lines.at(-3)).toMatch(/^isolation: [1-9]\d* probes .* reached nobody$/);
    expect(lines.at(-2)).toMatch(/^acceleration: \d+ MiB of acme\/\S+ compressed and encrypted by dpu-/);
    expect(lines.at(-1)).toContain('byte-identical');
  });

  it('tells which engines this machine lacks, and goes on', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'outboard-tour-'));
    const lines: string[] = [];
    const quarantined = [{ module: 'zstd', reason: 'libzstd.so.1 is not there' }] as const;
    const installation = await Installation.start({ directory, engines: { capabilities: [], quarantined } });
    try {
      for (const [index, letter] of [...'abcd'].entries()) await installation.addDpu(dpu(letter, index + 1));
      await tour(installation, EXAMPLES, (line) => lines.push(line));
    } finally {
      await installation[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    }
    expect(lines.at(-1)).toMatch(
      /^acceleration: not shown, as dpu-. or dpu-. has no engine for COMPRESS ZSTD, .* \(modules not used: zstd: libzstd.so.1 is not there\)$/,
    );
  });

  it('fails where a pod is not reached', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'outboard-tour-'));
    const installation = await Installation.start({ directory });
    try {
      for (const [index, letter] of [...'abcd'].entries()) await installation.addDpu(dpu(letter, index + 1));
      // Nothing ever arrives at it by a tunnel.
      const { fabric } = installation;
      fabric.add({ name: 'dpu-b', vswitch: installation.vswitch('dpu-b'), underlayAddress: '10.255.9.9' });
      fabric.add({
        name: 'black-hole',
        vswitch: installation.vswitch('dpu-c'),
        underlayAddress: '10.255.0.2',
      });
      await expect(tour(installation, EXAMPLES, () => {})).rejects.toThrow('does not reach every pod');
    } finally {
      await installation[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    }
  });

  it.each([
    [
      'nobody, as only root may have namespaces',
      { uid: NOBODY, gid: NOBODY },
      '',
      'needs root',
      'byte-identical',
    ],
    [
      'root off Linux',
      {},
      OFF_LINUX,
      'needs Linux (network namespaces, rtnetlink, nftables); this is darwin',
      'acceleration: not shown, as its sockets and shared memory are those of Linux',
    ],
  ])('is what `npm start` shows to %s, and it says so', async (_, user, nodeOptions, why, acceleration) => {
    const child = spawn(process.execPath, [path('../../../tools/run.mjs'), 'start', '--as-built', '--once'], {
      ...user,
      env: { ...process.env, HOME: tmpdir(), NODE_OPTIONS: nodeOptions },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [output, errors, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise((resolve) => child.once('exit', resolve)),
    ]);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    const [first = ''] = output.split('\n');
    expect(first).toContain(`with real packets it ${why}`);
    expect(first).toContain('this is the simulated dataplane');
    expect(output).toContain('isolation:');
    expect(output).toContain(acceleration);
    expect(output).toContain('shown with simulated frames');
  });
});
