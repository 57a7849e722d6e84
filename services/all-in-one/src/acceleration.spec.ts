import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sampleText } from '@outboard/acceleration';
import { AccelerationClient, OpeningStream, SealingStream } from '@outboard/acceleration-client';
import { BusSession } from '@outboard/acceleration-client/bus';
import {
  createSession,
  type HeldSession,
  importKey,
  readySession,
} from '@outboard/acceleration-client/orchestrator';
import { TenantClient } from '@outboard/client';
import { lackingForAcceleration } from './acceleration.js';
import { Installation } from './installation.js';
import { dpusOf } from './tour.js';

jest.setTimeout(60_000);

const MEBIBYTE = 1 << 20;
const MEBIBYTES = 24;
const DPUS = ['dpu-a', 'dpu-b'];
const SEAL = [
  { operation: 'COMPRESS', algorithm: 'ZSTD' },
  { operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key: 'k' },
];
const OPEN = [
  { operation: 'DECRYPT', algorithm: 'AES_256_GCM', key: 'k' },
  { operation: 'DECOMPRESS', algorithm: 'ZSTD' },
];

let directory: string;
let installation: Installation;
let acme: TenantClient;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'outboard-acceleration-'));
  installation = await Installation.start({
    directory,
    leaseMilliseconds: 1_000,
    sessionLeaseMilliseconds: 1_000,
  });
  for (const [index, name] of DPUS.entries())
    await installation.addDpu({
      name,
      serialNumber: `OB-SIM-000${index}`,
      pfMacAddress: `02:0b:00:00:0${index}:00`,
      functions: 2,
      underlayAddress: `10.255.0.${index + 1}`,
      acceleration: true,
    });
  const bus = installation.connect();
  acme = new TenantClient(await TenantClient.connect('acme', bus));
  await importKey(() => dpusOf(bus), acme, { name: 'k', secret: Buffer.alloc(32, 3), dpus: DPUS });
});
afterAll(async () => {
  await acme?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const session = (name: string, steps: readonly object[]): Promise<HeldSession> =>
  createSession(acme, name, { programs: [{ id: 1, steps }], policy: { affinity: 'ANY' } });

const clientOf = ({ name, token }: HeldSession): AccelerationClient => {
  const { locate, known } = new BusSession({ state: acme.state, tenant: 'acme', name, token });
  return new AccelerationClient({ locate, known });
};

describe('acceleration by DPUs whose switches are simulated', () => {
  it('is not where paths of sockets would be too long, which is told before anything is hosted', async () => {
    expect(await lackingForAcceleration(directory, 'dpu-a')).toBeUndefined();
    const far = `/${'x'.repeat(37)}`;
    const sockets = `${far}/dpu-a/sockets`;
    expect(await lackingForAcceleration(far, 'dpu-a')).toBe(
      `${sockets} is longer than the 50 characters that paths of sockets leave to their directory`,
    );
    expect(await lackingForAcceleration(far.slice(0, -2), 'dpu-a')).toBeUndefined();
  });

  it('goes on where the session moves when its DPU ends in the middle of it, and not a byte is another one', async () => {
    const [sealing, opening] = [await session('sealing', SEAL), await session('opening', OPEN)];
    const [sealer, opener] = [clientOf(sealing), clientOf(opening)];
    const { dpu: former = '' } = (await readySession(acme, 'sealing')).status;
    const pieces = Array.from({ length: MEBIBYTES }, () => sampleText(MEBIBYTE));
    let ended: Promise<void> | undefined;
    const source = Readable.from(
      (function* () {
        for (const [index, piece] of pieces.entries()) {
          if (index === MEBIBYTES / 2) ended = installation.stop(former);
          yield piece;
        }
      })(),
    );
    const opened: Buffer[] = [];
    await pipeline(
      source,
      new SealingStream(sealer, 1),
      new PassThrough(),
      new OpeningStream(opener, 1),
      async (bytes) => {
        for await (const each of bytes) opened.push(each);
      },
    );
    await ended;
    expect(Buffer.concat(opened).equals(Buffer.concat(pieces))).toBe(true);
    const { dpu, epoch } = (await readySession(acme, 'sealing', ({ status }) => status.dpu !== former))
      .status;
    expect([DPUS.includes(dpu ?? ''), epoch]).toEqual([true, 2]);
    expect(sealer.activity).toMatchObject({ onHost: 0, failed: 0 });
    sealer[Symbol.dispose]();
    opener[Symbol.dispose]();
  });

  it('is served again by a DPU whose worker was killed and has started anew: its sockets and threads went with it', async () => {
    const client = clientOf(await session('again', SEAL));
    const sealed = async (): Promise<number> => {
      let bytes = 0;
      await pipeline(Readable.from([sampleText(MEBIBYTE)]), new SealingStream(client, 1), async (pieces) => {
        for await (const each of pieces) bytes += (each as Buffer).length;
      });
      return bytes;
    };
    const { dpu = '' } = (await readySession(acme, 'again')).status;
    const bytes = await sealed();
    installation.kill(dpu);
    await installation.startWorker(dpu);
    expect(await sealed()).toBe(bytes);
    expect(client.activity).toMatchObject({ onHost: 0, failed: 0 });
    client[Symbol.dispose]();
  });
});
