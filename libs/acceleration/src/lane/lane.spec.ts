import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { ArmedFault } from '../engine/fault.js';
import {
  grantOf,
  LaneWorld,
  program,
  runInline,
  slotWith,
  step,
  submission,
  TOKEN,
} from '../testing/lane-world.js';
import { FLAG, FRAME, headerOf } from '../wire/frame.js';
import { STATUS, statusName } from '../wire/status.js';

const KEY = Buffer.alloc(32, 3);
const PROGRAMS = [
  program(1, step('ENCRYPT', 'AES_256_GCM', 'k')),
  program(2, step('DECRYPT', 'AES_256_GCM', 'k')),
  program(3, step('GENERATE', 'SHA_256')),
  program(4, step('COMPRESS', 'ZSTD')),
];

let world: LaneWorld;
beforeEach(() => {
  world = new LaneWorld();
  world.offer('k', slotWith(KEY));
  world.grant({ programs: PROGRAMS });
});
afterEach(() => world[Symbol.dispose]());

const nameOf = (frame: { header: { code: number } } | undefined): string =>
  frame === undefined ? 'closed' : statusName(frame.header.code);

it('encrypts inline data as anybody with the key would, and decrypts it again', () => {
  const client = world.connect();
  const input = randomBytes(4096);
  const { header, metadata, payload } = runInline(client, 1, input, 4096);
  expect(header).toMatchObject({ type: FRAME.COMPLETE, code: STATUS.OK, jobLow: 1, inputLength: 4096 });
  expect(header.flags & FLAG.NATIVE).toBe(FLAG.NATIVE);
  const [results] = metadata;
  const cipher = createCipheriv('aes-256-gcm', KEY, results?.nonce ?? Buffer.alloc(0));
  expect(Buffer.concat([cipher.update(input), cipher.final()])).toEqual(payload);
  expect(cipher.getAuthTag()).toEqual(Buffer.from(results?.tag ?? []));
  const back = runInline(client, 2, payload, 4096, metadata);
  expect([nameOf(back), Buffer.compare(back.payload, input)]).toEqual(['OK', 0]);
});

it('a deadline is counted from when the job came, however long nothing had come before', () => {
  const client = world.connect();
  const until = performance.now() + 30;
  while (performance.now() < until);
  client.send(submission(1, 1, Buffer.alloc(10), 10, { microseconds: 20_000 }), [], Buffer.alloc(10));
  expect(nameOf(client.receive())).toBe('OK');
});

it('what was tampered with gives no output', () => {
  const client = world.connect();
  const { metadata, payload } = runInline(client, 1, randomBytes(100), 100);
  payload[0] = (payload[0] ?? 0) ^ 1;
  const { header, payload: none } = runInline(client, 2, payload, 100, metadata);
  expect([statusName(header.code), header.failedStep, header.outputLength, none.length]).toEqual([
    'VERIFICATION_FAILED',
    1,
    0,
    0,
  ]);
});

it('the same in shared memory, whose size nobody can change', () => {
  const client = world.connect('s1', { sharedBytes: 1 << 20 });
  const region = client.region?.bytes ?? new Uint8Array();
  const from = 65_536;
  const to = 131_072;
  randomBytes(1000).copy(region, from);
  const shared = { flags: FLAG.INPUT_SHARED | FLAG.OUTPUT_SHARED, inputOffset: from, outputOffset: to };
  client.send({ ...submission(1, 9, Buffer.alloc(1000), 1000), ...shared });
  const sealed = client.receive();
  expect([nameOf(sealed), sealed?.header.outputLength, sealed?.header.outputOffset]).toEqual([
    'OK',
    1000,
    to,
  ]);
  const cipher = createCipheriv('aes-256-gcm', KEY, sealed?.metadata[0]?.nonce ?? Buffer.alloc(0));
  expect(
    Buffer.compare(cipher.update(region.subarray(from, from + 1000)), region.subarray(to, to + 1000)),
  ).toBe(0);
});

it('jobs of another epoch, program or lane are refused, each with its reason', () => {
  const client = world.connect();
  const refusals = [
    submission(1, 1, Buffer.alloc(8), 8, { epoch: 2 }),
    submission(99, 2, Buffer.alloc(8), 8),
    submission(4, 3, Buffer.alloc(8), 80),
  ].map((header) => {
    client.send(header, [], Buffer.alloc(8));
    return nameOf(client.receive());
  });
  expect(refusals).toEqual(['STALE_EPOCH', 'NOT_FOUND', 'INVALID_ARGUMENT']);
});

it('shared memory that is not there, overlaps, or ends too early is refused before anything is touched', () => {
  const client = world.connect('s1', { sharedBytes: 1 << 20 });
  const length = client.region?.bytes.length ?? 0;
  const both = FLAG.INPUT_SHARED | FLAG.OUTPUT_SHARED;
  const attempts: [number, number][] = [
    [0, 65_536],
    [65_536, 4096],
    [65_536, 65_600],
    [length - 100, 65_536],
    [2 ** 40, 65_536],
    [65_536, 2 ** 53],
  ];
  for (const [inputOffset, outputOffset] of attempts) {
    client.send({ ...submission(1, 1, Buffer.alloc(1000), 1000), flags: both, inputOffset, outputOffset });
    expect([inputOffset, outputOffset, nameOf(client.receive())]).toEqual([
      inputOffset,
      outputOffset,
      'INVALID_ARGUMENT',
    ]);
  }
  const without = world.connect();
  without.send({ ...submission(1, 1, Buffer.alloc(10), 10), flags: both, inputOffset: 65_536 });
  expect(nameOf(without.receive())).toBe('INVALID_ARGUMENT');
});

it('a wrong token, epoch or user gets nothing but the reason', () => {
  const answer = (token: Uint8Array, epoch = 1, sessionUid = 's1'): [string, unknown] => {
    const client = world.dial(sessionUid);
    return [nameOf(client.hello({ token, epoch })), client.receive()];
  };
  expect(answer(Buffer.alloc(32))).toEqual(['UNAUTHENTICATED', undefined]);
  expect(answer(TOKEN.subarray(1))).toEqual(['UNAUTHENTICATED', undefined]);
  expect(answer(TOKEN, 2)).toEqual(['STALE_EPOCH', undefined]);
  world.grant({ sessionUid: 's2', peerUid: 4711 });
  expect(answer(TOKEN, 1, 's2')).toEqual(['UNAUTHENTICATED', undefined]);
});

it('a client that speaks more than this version is answered in this one; one that begins otherwise is not', () => {
  const later = world.dial();
  expect(later.hello({ token: TOKEN, epoch: 1, version: 7 }).header).toMatchObject({ version: 1, code: 0 });
  const rude = world.dial();
  rude.send(submission(3, 1, Buffer.alloc(0), 0));
  expect(nameOf(rude.receive())).toBe('UNAUTHENTICATED');
});

it('what is more than was granted is refused as BUSY, and whoever goes on is sent away', () => {
  world.grant({ programs: PROGRAMS, maximumJobs: 2 });
  const client = world.connect();
  const job = submission(3, 1, Buffer.alloc(8), 0);
  for (let index = 0; index < 5; index++) client.send({ ...job, jobLow: index }, [], Buffer.alloc(8));
  const statuses = Array.from({ length: 5 }, () => nameOf(client.receive())).sort();
  expect(statuses).toEqual(['BUSY', 'BUSY', 'BUSY', 'OK', 'OK']);
});

it('a job that is cancelled or late before its turn is not done', () => {
  const client = world.connect();
  const job = submission(3, 1, Buffer.alloc(8), 0);
  client.send(job, [], Buffer.alloc(8));
  client.send(headerOf(FRAME.CANCEL, { jobLow: 1 }));
  expect(nameOf(client.receive())).toBe('CANCELLED');
  client.send({ ...job, jobLow: 2, microseconds: 1 }, [], Buffer.alloc(8));
  expect(nameOf(client.receive())).toBe('DEADLINE_EXCEEDED');
  expect(world.lane.activity.sessions[0]?.counters).toMatchObject({
    completedJobs: 0,
    failedJobs: 2,
    engineNanoseconds: 0,
  });
});

it('a destroyed key is gone at once, though the thread was told nothing; another version takes over', () => {
  const old = slotWith(KEY);
  world.offer('k', old);
  const client = world.connect();
  const before = runInline(client, 1, Buffer.alloc(16), 16);
  old.destroy();
  expect(nameOf(runInline(client, 1, Buffer.alloc(16), 16))).toBe('KEY_UNAVAILABLE');
  expect(nameOf(runInline(client, 2, before.payload, 16, before.metadata))).toBe('KEY_UNAVAILABLE');
  expect(old.key.every((byte) => byte === 0)).toBe(true);
  world.offer('k', old, slotWith(Buffer.alloc(32, 9)));
  const after = runInline(client, 1, Buffer.alloc(16), 16);
  expect([nameOf(after), after.metadata[0]?.keyVersion]).toEqual(['OK', 2]);
});

it('a rotated key decrypts what it encrypted, and encrypts nothing more', () => {
  const old = slotWith(KEY);
  world.offer('k', old);
  const client = world.connect();
  const { payload, metadata } = runInline(client, 1, Buffer.from('before'), 6);
  old.state = 'DECRYPT_ONLY';
  expect(nameOf(runInline(client, 1, Buffer.from('after!'), 6))).toBe('KEY_UNAVAILABLE');
  expect(runInline(client, 2, payload, 6, metadata).payload.toString()).toBe('before');
});

it('nonces are asked for before they run out; without any a job is BUSY, at the end of the key it is refused', () => {
  const slot = slotWith(KEY);
  world.offer('k', slot);
  const client = world.connect();
  const statuses = (count: number): string[] =>
    Array.from({ length: count }, () => nameOf(runInline(client, 1, Buffer.alloc(8), 8)));
  slot.reserve(5n, 7n, 8n);
  expect(statuses(4)).toEqual(['OK', 'OK', 'BUSY', 'BUSY']);
  expect(world.refills).toEqual(['k.1']);
  slot.raise(100n);
  expect(statuses(2)).toEqual(['OK', 'RESOURCE_EXHAUSTED']);
});

it('a new epoch or the end of a session sends everybody away, with the reason, and takes the socket', () => {
  const first = world.connect();
  world.lane.grant(grantOf({ epoch: 2 }), world.pathOf('s1'));
  expect([first.receive()?.header, first.receive()]).toMatchObject([
    { type: FRAME.GOAWAY, code: STATUS.STALE_EPOCH },
    undefined,
  ]);
  const second = world.dial();
  expect(nameOf(second.hello({ token: TOKEN, epoch: 2 }))).toBe('OK');
  world.lane.revoke('s1');
  expect(second.receive()?.header).toMatchObject({ type: FRAME.GOAWAY, code: STATUS.NOT_FOUND });
  expect(existsSync(world.pathOf('s1'))).toBe(false);
});

it('when its lease is over nobody is served: everybody is sent away, nobody let in, until there is another', () => {
  const client = world.connect();
  expect(nameOf(runInline(client, 3, Buffer.alloc(8), 0))).toBe('OK');
  world.lane.lease(performance.now());
  client.send(submission(3, 1, Buffer.alloc(8), 0), [], Buffer.alloc(8));
  expect([client.receive()?.header, client.receive()]).toMatchObject([
    { type: FRAME.GOAWAY, code: STATUS.UNAVAILABLE },
    undefined,
  ]);
  expect(nameOf(world.dial().hello({ token: TOKEN, epoch: 1 }))).toBe('UNAVAILABLE');
  // Whoever is nobody is told nothing else.
  expect(nameOf(world.dial().hello({ token: Buffer.alloc(32), epoch: 1 }))).toBe('UNAUTHENTICATED');
  world.lane.lease(Number.POSITIVE_INFINITY);
  expect(nameOf(runInline(world.connect(), 3, Buffer.alloc(8), 0))).toBe('OK');
});

it("what ends after the lease is nobody's result, though it began before", () => {
  const client = world.connect();
  const fault = {
    id: 'slow',
    kind: 'DELAY',
    operation: 'GENERATE',
    algorithm: 'SHA_256',
    module: '',
  } as const;
  const slow = ArmedFault.arm({ ...fault, count: 1, interval: 1, delayMilliseconds: 600 });
  world.lane.setFaults([slow.offer]);
  world.lane.lease(performance.now() + 500);
  const { header, metadata } = runInline(client, 3, Buffer.alloc(8), 0);
  expect([header.type, nameOf({ header }), metadata]).toEqual([FRAME.COMPLETE, 'UNAVAILABLE', []]);
  expect(slow.injected).toBe(1);
});

it('many frames in one write and one frame in many writes are the same', () => {
  const client = world.connect();
  const input = Buffer.from('digest me');
  const expected = createHash('sha256').update(input).digest('hex');
  const digestOf = (frame: ReturnType<typeof client.receive>): string =>
    Buffer.from(frame?.metadata[0]?.digest ?? []).toString('hex');
  for (let index = 0; index < 40; index++) client.send(submission(3, index, input, 0), [], input);
  const digests = new Set(Array.from({ length: 40 }, () => digestOf(client.receive())));
  expect([...digests]).toEqual([expected]);
  const big = Buffer.alloc(1 << 20, 1);
  client.send(submission(3, 1, big, 0), [], big);
  expect(digestOf(client.receive())).toBe(createHash('sha256').update(big).digest('hex'));
});

it('PING is answered with its own id', () => {
  const client = world.connect();
  client.send(headerOf(FRAME.PING, { jobLow: 77, jobHigh: 1 }));
  expect(client.receive()?.header).toMatchObject({ type: FRAME.PONG, jobLow: 77, jobHigh: 1, epoch: 1 });
});

it('whoever says nothing takes no place of another session, and only some of its own', () => {
  world.grant({ sessionUid: 'quiet' });
  for (let index = 0; index < 20; index++) world.dial('quiet');
  world.pump();
  const refused = world.dial('quiet');
  world.pump();
  expect(refused.receive()).toBeUndefined();
  expect(nameOf(runInline(world.connect(), 3, Buffer.alloc(8), 0))).toBe('OK');
});
