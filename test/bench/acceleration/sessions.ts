/**
 * What sessions cost the broker: making one that is durable, holding ten thousand, hearing that they are used, starting
 * with them. The broker and nats-server are processes of their own; DPUs and their workers are played. `--full`: the
 * store waits for the disk at each commit (it survives a power failure, too), which is then compared with a bare fsync.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { create } from '@bufbuild/protobuf';
import { connectNats, STREAMS, type StreamBus } from '@outboard/bus';
import { encodeBinary, SessionsHeartbeatRequestSchema, subjects } from '@outboard/contracts';
import { ok, systemClock, unwrap } from '@outboard/core';
import { FakeWorker } from '@outboard/document-owner/testing';
import { Program, SERVICE_FLAGS, waitUntil } from '@outboard/testbed';
import { startNatsServer } from '@outboard/testkit';
import { quantile, teller, timed } from '../report.js';
import { sized } from '../sizes.js';

const TENANT = 'acme';
const DPUS = ['dpu-1', 'dpu-2', 'dpu-3'];
const SESSIONS = sized(10_000, 100);
const WARM_UP = sized(300, 10);
const SAMPLES = sized(1_000, 20);
const CONCURRENT = 64;
const SESSIONS_PER_HEARTBEAT = 1_000;
/** As workers tell of them: a third of the lease of eight seconds. */
const HEARTBEAT_SECONDS = 8 / 3;
const ROUNDS = sized(20, 2);
const IDLE_SECONDS = sized(10, 1);
const DEADLINE_MILLISECONDS = 60_000;

const isFull = process.argv.includes('--full');
const KIND_OF_STORE = isFull ? 'stored to the disk (fsync)' : 'stored';

const UID = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
const MAIN = fileURLToPath(new URL('../../../../services/acceleration-broker/dist/main.js', import.meta.url));

const tell = teller('acceleration');

const dpuOf = (name: string): object => ({
  apiVersion: 'admin.outboard.dev/v1alpha1',
  kind: 'Dpu',
  metadata: { tenant: '_', name, uid: UID, generation: 1, resourceVersion: '1' },
  status: {
    serialNumber: `SN-${name}`,
    accelerator: {
      sealingPublicKey: Buffer.alloc(32, name).toString('base64'),
      socketDirectory: `/run/${name}`,
      engines: ['ENCRYPT', 'DECRYPT'].map((operation) => ({
        operation,
        algorithm: 'AES_256_GCM',
        module: 'libcrypto',
        implementation: 'SOFTWARE_NATIVE',
        placement: 'LOOKASIDE',
        speeds: [{ inputBytes: 65_536, megabytesPerSecond: 4_000 }],
      })),
    },
    conditions: [
      {
        type: 'Healthy',
        status: 'True',
        reason: 'LeaseRenewed',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ],
  },
});

interface Answer {
  readonly metadata: { readonly uid: string };
  readonly status: { readonly dpu?: string; readonly epoch: number };
}

async function ask(bus: StreamBus, kind: string, verb: 'create' | 'apply' | 'get', body: object) {
  const tenant = kind === 'AccelerationQuota' ? '_' : TENANT;
  const subject = subjects.rpc(tenant, 'acceleration', kind.toLowerCase(), verb);
  const message = { headers: {}, body: Buffer.from(JSON.stringify(body)) };
  const reply = unwrap(await bus.request(subject, message, { deadlineMilliseconds: DEADLINE_MILLISECONDS }));
  return JSON.parse(Buffer.from(reply.body).toString()) as Answer;
}

const manifest = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'acceleration.outboard.dev/v1alpha1',
  kind,
  metadata: { name },
  spec,
});

const PROGRAMS = [
  { id: 1, steps: [{ operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key: 'k' }] },
  { id: 2, steps: [{ operation: 'DECRYPT', algorithm: 'AES_256_GCM', key: 'k' }] },
];

/** A session with a lease, which every heartbeat renews, and a key that all share. */
const session = (index: number): object =>
  manifest('AccelerationSession', `s${index}`, {
    programs: PROGRAMS,
    policy: { leaseSeconds: 3_600 },
    tokenSha256: 'ab'.repeat(32),
  });

/** DPUs that can do it, a key that all of them can open, and room for all sessions. */
async function prepare(bus: StreamBus): Promise<void> {
  for (const name of DPUS) {
    const subject = subjects.state({ tenant: '_', api: 'admin', kind: 'dpu', name });
    const message = { headers: {}, body: Buffer.from(JSON.stringify(dpuOf(name))) };
    unwrap(await bus.publish(subject, message, { messageId: `dpu-${name}` }));
  }
  await ask(
    bus,
    'AccelerationQuota',
    'apply',
    manifest('AccelerationQuota', TENANT, { maxSessions: 20_000, maxWeight: 20_000 }),
  );
  const sealed = DPUS.map((name) => ({
    sealingPublicKey: Buffer.alloc(32, name).toString('base64'),
    encapsulatedKey: Buffer.alloc(32, 1).toString('base64'),
    ciphertext: Buffer.alloc(48, 2).toString('base64'),
  }));
  const key = { algorithm: 'AES_256_GCM', versions: [{ version: 1, sealed }] };
  await ask(bus, 'AccelerationKey', 'apply', manifest('AccelerationKey', 'k', key));
  await waitUntil(
    'the key can be opened by every DPU',
    async () => {
      const { status } = (await ask(bus, 'AccelerationKey', 'get', { name: 'k' })) as unknown as {
        status: { versions?: { dpus?: string[] }[] };
      };
      const count = status.versions?.[0]?.dpus?.length ?? 0;
      return count === DPUS.length ? undefined : `${count} can`;
    },
    DEADLINE_MILLISECONDS,
  );
}

/** Lists that the broker asks others for. */
const serveLists = (bus: StreamBus) =>
  bus.serve({
    name: 'bench',
    version: '1.0.0',
    description: 'plays admin and network-intent',
    maxInFlight: 8,
    endpoints: (
      [
        ['admin', 'dpu', DPUS.map(dpuOf)],
        ['network', 'port', []],
      ] as const
    ).map(([api, kind, items]) => ({
      name: kind,
      subject: subjects.rpc('_', api, kind, 'list'),
      handle: async () =>
        ok({ headers: {}, body: Buffer.from(JSON.stringify({ items, nextPageToken: '' })) }),
    })),
  });

async function heartbeat(bus: StreamBus, dpu: string, sessions: readonly Answer[]): Promise<void> {
  const request = create(SessionsHeartbeatRequestSchema, {
    incarnation: 'boot',
    sessions: sessions.map(({ metadata, status }) => ({
      sessionUid: metadata.uid,
      epoch: status.epoch,
      connections: 1,
      completedJobs: 1_000n,
      inputBytes: 1_000_000n,
      latencyBuckets: Array.from({ length: 20 }, () => 50n),
    })),
  });
  const body = encodeBinary(SessionsHeartbeatRequestSchema, request);
  const subject = subjects.dpu(dpu, 'heartbeat', 'acceleration');
  unwrap(await bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: DEADLINE_MILLISECONDS }));
}

async function renewAll(bus: StreamBus, all: readonly Answer[]): Promise<void> {
  for (const dpu of DPUS) {
    const here = all.filter(({ status }) => status.dpu === dpu);
    for (let at = 0; at < here.length; at += SESSIONS_PER_HEARTBEAT) {
      await heartbeat(bus, dpu, here.slice(at, at + SESSIONS_PER_HEARTBEAT));
    }
  }
}

/** What the disk takes at the same time, milliseconds. */
async function bareSync(): Promise<number> {
  const file = openSync(join(folder, 'bare'), 'w');
  const page = Buffer.alloc(8_192);
  const times: number[] = [];
  for (let index = 0; index < 200; index++) {
    times.push(
      await timed(() => {
        writeSync(file, page);
        fdatasyncSync(file);
      }),
    );
  }
  closeSync(file);
  return quantile(times, 0.5);
}

async function measure(bus: StreamBus, broker: Program): Promise<void> {
  await prepare(bus);
  const made: Answer[] = [];
  const make = async (): Promise<void> => {
    made.push(await ask(bus, 'AccelerationSession', 'create', session(made.length)));
  };
  for (let index = 0; index < WARM_UP; index++) await make();
  const times: number[] = [];
  const busy = broker.usage().cpuMilliseconds;
  for (let index = 0; index < SAMPLES; index++) times.push(await timed(make));
  const spent = (broker.usage().cpuMilliseconds - busy) / SAMPLES;
  const looks: number[] = [];
  for (let index = 0; index < SAMPLES; index++) {
    looks.push(await timed(() => ask(bus, 'AccelerationSession', 'get', { name: `s${index}` })));
  }
  tell(`session create, ${KIND_OF_STORE}, one after the other, p50`, quantile(times, 0.5), 'ms', 5);
  tell(`session create, ${KIND_OF_STORE}, one after the other, p99`, quantile(times, 0.99), 'ms');
  if (isFull) tell('a write of 8 KiB and fdatasync, p50', await bareSync(), 'ms');
  tell('the same for reading a session, p50', quantile(looks, 0.5), 'ms');
  tell('processor time of a session create', spent, 'ms');

  const few = broker.usage().residentBytes;
  const fewSessions = made.length;
  const started = performance.now();
  let next = made.length;
  await Promise.all(
    Array.from({ length: CONCURRENT }, async () => {
      while (next < SESSIONS) made.push(await ask(bus, 'AccelerationSession', 'create', session(next++)));
    }),
  );
  const seconds = (performance.now() - started) / 1_000;
  tell(`sessions created a second, ${CONCURRENT} at a time`, (SESSIONS - fewSessions) / seconds, '/s');

  const workers = await Promise.all(
    DPUS.map(async (dpu) => {
      const worker = new FakeWorker(bus, dpu, 'acceleration');
      await worker.start();
      return worker;
    }),
  );
  await waitUntil(
    'every session is served',
    async () => {
      const last = await ask(bus, 'AccelerationSession', 'get', { name: `s${SESSIONS - 1}` });
      const { conditions } = last.status as unknown as { conditions: { type: string; status: string }[] };
      return conditions.find(({ type }) => type === 'Ready')?.status === 'True' ? undefined : 'not the last';
    },
    DEADLINE_MILLISECONDS,
  );
  for (const worker of workers) await worker.stop();
  const many = broker.usage();
  tell(`memory of the broker with ${SESSIONS} sessions`, many.residentBytes / 2 ** 20, 'MiB');
  const each = (many.residentBytes - few) / (SESSIONS - fewSessions);
  tell('memory of a session', each / 1024, 'KiB');

  await renewAll(bus, made);
  const before = broker.usage().cpuMilliseconds;
  for (let round = 0; round < ROUNDS; round++) await renewAll(bus, made);
  const renewal = (broker.usage().cpuMilliseconds - before) / ROUNDS;
  tell(`processor time of renewing ${SESSIONS} sessions once`, renewal, 'ms');
  const idle = broker.usage().cpuMilliseconds;
  await systemClock.delay(IDLE_SECONDS * 1_000);
  const looking = (broker.usage().cpuMilliseconds - idle) / IDLE_SECONDS;
  const share = (renewal / HEARTBEAT_SECONDS + looking) / 10;
  tell(
    `processor for ${SESSIONS} sessions that are used (renewal every ${HEARTBEAT_SECONDS.toFixed(1)} s, and looking for ends)`,
    share,
    '% of a core',
  );
}

const folder = mkdtempSync(join(tmpdir(), 'outboard-bench-sessions-'));
const server = await startNatsServer();
const bus = await connectNats({ servers: server.url, name: 'bench' });
const broker = new Program({
  name: 'acceleration-broker',
  command: [process.execPath, '--enable-source-maps', ...SERVICE_FLAGS, MAIN],
  logFile: join(folder, 'broker.log'),
  environment: {
    OUTBOARD_NATS_URL: server.url,
    OUTBOARD_DATA_DIRECTORY: join(folder, 'data'),
    OUTBOARD_STORE_DURABILITY: isFull ? 'FULL' : 'NORMAL',
  },
});
try {
  unwrap(await bus.streams.provision(STREAMS, 'apply'));
  const lists = await serveLists(bus);
  await broker.start();
  await measure(bus, broker);
  const restart = await timed(() => broker.restart());
  tell(`start of the broker with ${SESSIONS} sessions`, restart / 1_000, 's');
  await lists[Symbol.asyncDispose]();
} finally {
  await broker.stop();
  await bus[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
}
