import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sampleText } from '@outboard/acceleration';
import type { TenantClient } from '@outboard/client';
import { AppError } from '@outboard/core';
import type { Accelerator } from '@outboard/model';
import { BusSession } from '../bus/bus-session.js';
import { AccelerationClient } from '../client.js';
import { OpeningStream, SealingStream } from '../streams.js';
import {
  acceleratorsOf,
  createSession,
  type HeldSession,
  importKey,
  type ListDpus,
  readySession,
} from './sessions.js';

/** Of the error that tells that DPUs have no engine for what is to be shown. */
export const LACKING_ENGINE = 'LACKING_ENGINE';

const KEY = 'tour';
const SEALING = 'tour-sealing';
const OPENING = 'tour-opening';
const MEBIBYTES = 16;
const SEAL = [
  { operation: 'COMPRESS', algorithm: 'ZSTD' },
  { operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key: KEY },
  { operation: 'GENERATE', algorithm: 'CRC32C' },
];
const OPEN = [
  { operation: 'VERIFY', algorithm: 'CRC32C' },
  { operation: 'DECRYPT', algorithm: 'AES_256_GCM', key: KEY },
  { operation: 'DECOMPRESS', algorithm: 'ZSTD' },
];

/**
 * What one DPU compresses and encrypts for the holder of a port another one decrypts: neither holder has the key.
 * Throws AppError FAILED_PRECONDITION, with `LACKING_ENGINE` as its reason where their engines cannot do it.
 */
export async function showAcceleration(
  listDpus: ListDpus,
  client: TenantClient,
  say: (line: string) => void,
): Promise<void> {
  await forget(client);
  const [here, there] = portsOnTwoDpus(client);
  const dpus = [here.dpu, there.dpu];
  requireEngines(dpus, await acceleratorsOf(listDpus, dpus));
  await importKey(listDpus, client, { name: KEY, secret: randomBytes(32), dpus });
  const sealing = await createSession(client, SEALING, {
    programs: [{ id: 1, steps: SEAL }],
    holder: { port: here.port },
  });
  const opening = await createSession(client, OPENING, {
    programs: [{ id: 1, steps: OPEN }],
    holder: { port: there.port },
  });
  const clients = [clientOf(client, sealing), clientOf(client, opening)] as const;
  try {
    const plain = Buffer.concat(Array.from({ length: MEBIBYTES }, () => sampleText(1 << 20)));
    const opened: Buffer[] = [];
    const wire = new PassThrough();
    let sealed = 0;
    wire.on('data', (bytes: Buffer) => {
      sealed += bytes.length;
    });
    const started = performance.now();
    await pipeline(
      [plain],
      new SealingStream(clients[0], 1),
      wire,
      new OpeningStream(clients[1], 1),
      async (source) => {
        for await (const bytes of source) opened.push(bytes);
      },
    );
    const seconds = (performance.now() - started) / 1000;
    if (!Buffer.concat(opened).equals(plain))
      throw new AppError('INTERNAL', 'what was opened is not what was sealed');
    const { status } = await readySession(client, SEALING);
    const modules = status.programs.flatMap(({ steps }) => steps.map(({ module }) => module));
    say(
      `acceleration: ${MEBIBYTES} MiB of ${client.tenant}/${here.port} compressed and encrypted by ${here.dpu} (${modules.join(', ')}),`,
    );
    say(
      `  opened by ${there.dpu} for ${client.tenant}/${there.port} and byte-identical: ${(sealed / 2 ** 20).toFixed(1)} MiB on the way, ${(MEBIBYTES / seconds).toFixed(0)} MiB/s`,
    );
  } finally {
    for (const client of clients) client[Symbol.dispose]();
    await forget(client);
  }
}

function clientOf({ state, tenant }: TenantClient, { name, token }: HeldSession): AccelerationClient {
  const { locate, known } = new BusSession({ state, tenant, name, token });
  return new AccelerationClient({ locate, known });
}

/** Says at once what no session would ever be served for, with the modules that are not used and why. */
function requireEngines(dpus: readonly string[], accelerators: readonly Accelerator[]): void {
  const lacking = accelerators.flatMap(({ engines }) =>
    [...SEAL, ...OPEN].flatMap(({ operation, algorithm }) =>
      engines.some((each) => each.operation === operation && each.algorithm === algorithm)
        ? []
        : `${operation} ${algorithm}`,
    ),
  );
  if (lacking.length === 0) return;
  const unused = accelerators.flatMap(({ quarantined }) =>
    quarantined.map(({ module, reason }) => `${module}: ${reason}`),
  );
  const [steps, modules] = [lacking, unused].map((each) => [...new Set(each)].join(', '));
  const what = `${dpus.join(' or ')} has no engine for ${steps} (modules not used: ${modules || 'none'})`;
  throw new AppError('FAILED_PRECONDITION', what, { reason: LACKING_ENGINE });
}

interface PlacedPort {
  readonly port: string;
  readonly dpu: string;
}

function portsOnTwoDpus({ state }: TenantClient): readonly [PlacedPort, PlacedPort] {
  const placed = [...state.values()].flatMap((resource): PlacedPort[] =>
    resource.kind === 'Port' && resource.status.dpu !== undefined
      ? [{ port: resource.metadata.name, dpu: resource.status.dpu }]
      : [],
  );
  const [here] = placed;
  const there = placed.find(({ dpu }) => dpu !== here?.dpu);
  if (here === undefined || there === undefined)
    throw new AppError('FAILED_PRECONDITION', 'the tenant has no ports on two DPUs');
  return [here, there];
}

/** Also what a tour has left that did not end. */
async function forget(client: TenantClient): Promise<void> {
  const made = [
    ['AccelerationSession', SEALING],
    ['AccelerationSession', OPENING],
    ['AccelerationKey', KEY],
  ] as const;
  for (const [kind, name] of made)
    if (client.state.get(client.address(kind, name)) !== undefined) await client.delete(kind, name);
}
