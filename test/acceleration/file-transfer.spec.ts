import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { sampleText } from '@outboard/acceleration';
import type { HeldSession } from '@outboard/acceleration-client/orchestrator';
import { type Pod, type Program, waitConnected, waitUntil } from '@outboard/testbed';
import { AccelerationWorld, DPUS } from './world.js';

const APPLICATION = fileURLToPath(new URL('../dist/acceleration/file-transfer.js', import.meta.url));
const PORT = 7100;
const MEBIBYTE = 1 << 20;
const FILE_MEBIBYTES = 128;

/** What the application tells. */
interface Told {
  readonly event: string;
  readonly bytes?: number;
  readonly accelerated?: number;
  readonly onHost?: number;
  readonly resubmitted?: number;
  readonly failed?: number;
  readonly places?: readonly { readonly directory: string; readonly epoch: number }[];
}

const SEAL = [
  { operation: 'COMPRESS', algorithm: 'ZSTD' },
  { operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key: 'file' },
  { operation: 'GENERATE', algorithm: 'CRC32C' },
];
const OPEN = [
  { operation: 'VERIFY', algorithm: 'CRC32C' },
  { operation: 'DECRYPT', algorithm: 'AES_256_GCM', key: 'file' },
  { operation: 'DECOMPRESS', algorithm: 'ZSTD' },
];

let world: AccelerationWorld;
let sender: Pod;
let receiver: Pod;
let sealing: HeldSession;
let opening: HeldSession;

beforeAll(async () => {
  world = await AccelerationWorld.start('accel4');
  const { acme } = world;
  await acme.apply(
    { kind: 'Network', metadata: { name: 'blue' }, spec: {} },
    { kind: 'Subnet', metadata: { name: 'blue-v4' }, spec: { network: 'blue', cidr: '10.0.1.0/24' } },
    ...DPUS.map(({ serialNumber, pfMacAddress }, index) => ({
      kind: 'Port' as const,
      metadata: { name: index === 0 ? 'sender' : 'receiver' },
      spec: { network: 'blue', function: { serialNumber, pfMacAddress, vfNumber: 0 } },
    })),
  );
  [sender, receiver] = [await acme.connectPod('sender'), await acme.connectPod('receiver')];
  await waitConnected([sender, receiver]);
  await world.importKey('file', randomBytes(32));
  sealing = await world.createSession('sealing', {
    programs: [{ id: 1, steps: SEAL }],
    holder: { port: 'sender' },
  });
  opening = await world.createSession('opening', {
    programs: [{ id: 2, steps: OPEN }],
    holder: { port: 'receiver' },
  });
}, 120_000);
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 60_000);

it('each session is on the DPU of its port', async () => {
  expect((await world.session('sealing')).status).toMatchObject({ dpu: 'dpu-a', epoch: 1 });
  expect((await world.session('opening')).status).toMatchObject({ dpu: 'dpu-b', epoch: 1 });
});

it('a file goes from pod to pod sealed by one DPU and opened by the other; one dies in the middle of it, the session moves, and not a byte is another one', async () => {
  const { directory } = world.stack.testbed;
  const [from, to] = [join(directory, 'file'), join(directory, 'file.received')];
  writeFileSync(from, text(FILE_MEBIBYTES));
  const [ip = ''] = receiver.addresses;
  const receiving = await application(receiver, 'receive', to, ip, '2', opening);
  let killed: Promise<void> | undefined;
  const sending = await application(sender, 'send', from, ip, '1', sealing, ({ event, bytes = 0 }) => {
    if (event === 'progress' && bytes > 8 * MEBIBYTE)
      killed ??= world.stack.stack.kill('dataplane-worker/dpu-a');
  });
  const sent = await sending.done;
  const received = await receiving.done;
  await killed;
  expect(await digestOf(to)).toBe(await digestOf(from));
  const places = await world.directoriesOf(sealing);
  expect(sent).toMatchObject({
    onHost: 0,
    failed: 0,
    places: [
      { directory: places[0], epoch: 1 },
      { directory: places[1], epoch: 2 },
    ],
  });
  expect(sent.resubmitted).toBeGreaterThan(0);
  expect(received).toMatchObject({ onHost: 0, failed: 0, places: [{ epoch: 1 }] });
  expect((await world.session('sealing')).status).toMatchObject({ dpu: 'dpu-b', epoch: 2 });
}, 120_000);

it('the DPU that comes back does not serve what has moved', async () => {
  await world.stack.stack.restart('dataplane-worker/dpu-a');
  const client = world.client(sealing);
  const { metadata } = await client.run(1, Buffer.from('after the move'));
  client[Symbol.dispose]();
  expect(metadata).toHaveLength(3);
  const [former = ''] = await world.directoriesOf(sealing);
  await waitUntil(
    'dpu-a has given up what it served',
    () => (existsSync(former) ? `${former} is there` : undefined),
    20_000,
  );
  expect((await world.session('sealing')).status).toMatchObject({ dpu: 'dpu-b', epoch: 2 });
}, 60_000);

/** Starts the application in a pod; `done` is what it tells at its end. */
async function application(
  pod: Pod,
  mode: 'send' | 'receive',
  file: string,
  ip: string,
  program: string,
  session: HeldSession,
  onTold: (told: Told) => void = () => {},
): Promise<{ readonly program: Program; readonly done: Promise<Told> }> {
  const directories = await world.directoriesOf(session);
  let finish: (told: Told) => void = () => {};
  const done = new Promise<Told>((resolve) => {
    finish = resolve;
  });
  const running = world.stack.testbed.program(pod, {
    name: `${mode}-file`,
    command: [
      process.execPath,
      APPLICATION,
      mode,
      file,
      ip,
      `${PORT}`,
      program,
      session.token.toString('hex'),
      ...directories,
    ],
    onLine: (line) => {
      if (!line.startsWith('{')) return;
      const told = JSON.parse(line) as Told;
      if (told.event === 'done') finish(told);
      else onTold(told);
    },
  });
  await running.start();
  return { program: running, done };
}

/** Compresses as text does, and no MiB is like another. */
function text(mebibytes: number): Buffer {
  const unit = Buffer.from(sampleText(MEBIBYTE));
  return Buffer.concat(
    Array.from({ length: mebibytes }, (_, index) => {
      const piece = Buffer.from(unit);
      piece.writeUInt32LE(index);
      return piece;
    }),
  );
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
