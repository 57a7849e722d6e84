import { readFile } from 'node:fs/promises';
import { sampleText } from '@outboard/acceleration';
import {
  AccelerationClient,
  AcceleratorError,
  adviseOffload,
  type OffloadAdvice,
} from '@outboard/acceleration-client';
import { AppError } from '@outboard/core';
import { usageError } from '../failure.js';
import { writeItems } from '../output/documents.js';
import { formatTable } from '../output/table.js';
import type { Session } from '../session.js';

export interface BenchOptions {
  readonly directory?: string;
  readonly tokenFile?: string;
  readonly output?: 'table' | 'json' | 'yaml';
}

const SIZES = [4096, 65_536, 1_048_576];
/** Input of one measurement, bytes. */
const VOLUME = 32 << 20;
const MAX_JOBS = 2048;
const TOKEN = /^[0-9a-f]{64}$/i;
/** Operations whose input can be anything. */
const FORWARD = new Set(['ENCRYPT', 'COMPRESS', 'GENERATE']);

type Measured = OffloadAdvice & { readonly program: number; readonly steps: string };

/** What a session's programs are worth here: with its socket directory, on the machine or in the pod that has it. */
export async function bench(
  { terminal, signal }: Session,
  args: readonly string[],
  { directory, tokenFile, output = 'table' }: BenchOptions,
): Promise<void> {
  const wanted = args.map((text) => {
    if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
    throw usageError('PROGRAM', `must be the number of a program, not ${JSON.stringify(text)}`);
  });
  if (directory === undefined)
    throw usageError('--directory', "is required: the session's, with its sockets");
  if (tokenFile === undefined)
    throw usageError('--token-file', "is required: a file with the session's token");
  const token = await readToken(tokenFile);
  const client = new AccelerationClient({
    locate: () => ({ directory, token }),
    timeoutMilliseconds: 10_000,
  });
  try {
    const { programs } = await client.session();
    const forward = programs.filter(({ steps }) => steps.every(({ operation }) => FORWARD.has(operation)));
    const chosen = wanted.length === 0 ? forward : forward.filter(({ id }) => wanted.includes(id));
    const missing = wanted.find((id) => !chosen.some((program) => program.id === id));
    if (missing !== undefined)
      throw usageError(
        'PROGRAM',
        `${missing} is none of those that can be measured: ${forward.map(({ id }) => id).join(', ')}`,
      );
    const measured: Measured[] = [];
    for (const { id, steps } of chosen) {
      for (const size of SIZES) {
        if (signal.aborted) break;
        const rounds = Math.max(16, Math.min(MAX_JOBS, VOLUME / size));
        const advice = await adviseOffload(client, id, sampleText(size), { rounds });
        measured.push({
          ...advice,
          program: id,
          steps: steps.map((each) => `${each.operation} ${each.algorithm}`).join(', '),
        });
      }
    }
    if (output !== 'table') return await writeItems(terminal, measured, output);
    await terminal.write(`${formatBench(measured).join('\n')}\n`);
  } catch (failure) {
    if (!(failure instanceof AcceleratorError)) throw failure;
    const code = failure.status === 'UNAUTHENTICATED' ? 'PERMISSION_DENIED' : 'UNAVAILABLE';
    throw new AppError(code, `the session cannot be used: ${failure.message}`);
  } finally {
    client[Symbol.dispose]();
  }
}

function formatBench(measured: readonly Measured[]): readonly string[] {
  const rows = measured.map((each) => [
    `${each.program}`,
    each.steps,
    each.inputBytes < 1 << 20 ? `${each.inputBytes / 1024} KiB` : `${each.inputBytes / (1 << 20)} MiB`,
    each.ranOn,
    each.achievedMegabytesPerSecond.toFixed(0),
    each.engineMegabytesPerSecond.toFixed(0),
    each.hostMegabytesPerSecond.toFixed(0),
    each.offloadLatencyMicroseconds.toFixed(0),
    each.offloadMicroseconds.toFixed(1),
    each.hostMicroseconds.toFixed(1),
    each.pays ? 'yes' : 'no',
  ]);
  const speeds = ['ACHIEVED MB/S', 'ENGINE MB/S', 'HERE MB/S'];
  const times = ['LATENCY US', 'CPU US', 'CPU HERE US', 'PAYS'];
  return formatTable([['PROGRAM', 'STEPS', 'SIZE', 'RAN ON', ...speeds, ...times], ...rows]);
}

async function readToken(path: string): Promise<Uint8Array> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (failure) {
    throw usageError('--token-file', failure instanceof Error ? failure.message : String(failure));
  }
  if (!TOKEN.test(text)) throw usageError('--token-file', `${path} must have 64 hexadecimal digits`);
  return Buffer.from(text, 'hex');
}
