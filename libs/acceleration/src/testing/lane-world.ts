import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AlgorithmName, LaneName, Operation } from '../engine/algorithms.js';
import { EngineSet } from '../engine/engine-set.js';
import { KeySlot, NONCE_BLOCK } from '../keys/key-slot.js';
import { FastPath } from '../lane/fast-path.js';
import type { SessionGrant } from '../lane/grant.js';
import { Lane } from '../lane/lane.js';
import type { Program, Step } from '../program/program.js';
import { FRAME, type Header, headerOf } from '../wire/frame.js';
import { RawClient, type RawFrame, type RawHello } from './raw-client.js';

export const TOKEN = Buffer.alloc(32, 0x5a);

export const step = (operation: Operation, algorithm: AlgorithmName, keyUid = ''): Step => ({
  operation,
  algorithm,
  keyUid,
  level: 0,
  callerNonce: false,
});

export const program = (id: number, ...steps: Step[]): Program => ({ id, steps });

export const grantOf = (overrides: Partial<SessionGrant> = {}): SessionGrant => ({
  sessionUid: 's1',
  epoch: 1,
  tokenDigests: [createHash('sha256').update(TOKEN).digest()],
  peerUid: undefined,
  weight: 1,
  maximumJobs: 64,
  maximumBytes: 8 << 20,
  maximumConnections: 8,
  hostFallback: false,
  offload: 'PREFERRED',
  programs: [program(1, step('GENERATE', 'SHA_256'))],
  ...overrides,
});

/** A key with `bytes` in a slot that has nonces. */
export function slotWith(bytes: Uint8Array, prefix = 7): KeySlot {
  const slot = KeySlot.create(bytes.length, prefix);
  slot.key.set(bytes);
  slot.reserve(100n, 100n + NONCE_BLOCK, 1n << 40n);
  slot.state = 'ACTIVE';
  return slot;
}

let opened: EngineSet | undefined;

/** The engines of this thread, tested once. */
const sharedEngines = (): EngineSet => {
  opened ??= EngineSet.open();
  return opened;
};

export interface LaneWorldOptions {
  readonly engines?: EngineSet;
  /** Plain jobs are done in native code, as they are in a worker. */
  readonly isFast?: boolean;
}

/** One lane in this thread, its sockets in a directory of its own. */
export class LaneWorld implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'outboard-lane-'));
  readonly refills: string[] = [];
  readonly lane: Lane;
  readonly #clients: RawClient[] = [];

  /** Undefined: every job goes the general way. */
  readonly fastPath: FastPath | undefined;

  constructor(name: LaneName = 'LIGHT', { engines = sharedEngines(), isFast = true }: LaneWorldOptions = {}) {
    this.fastPath = isFast ? FastPath.open() : undefined;
    this.lane = new Lane({
      name,
      engines,
      fastPath: this.fastPath,
      // From the second job on.
      aloneMilliseconds: 0,
      onRefill: (keyUid, version) => this.refills.push(`${keyUid}.${version}`),
    });
    this.lane.lease(Number.POSITIVE_INFINITY);
  }

  readonly pump = (): void => this.lane.turn(0);

  pathOf(sessionUid: string): string {
    return join(this.directory, sessionUid);
  }

  grant(overrides: Partial<SessionGrant> = {}): SessionGrant {
    const grant = grantOf(overrides);
    this.lane.grant(grant, this.pathOf(grant.sessionUid));
    return grant;
  }

  offer(keyUid: string, ...slots: KeySlot[]): void {
    this.lane.offer({
      keyUid,
      versions: slots.map(({ memory }, index) => ({ version: index + 1, memory })),
    });
  }

  /** A connection that has not said HELLO. */
  dial(sessionUid = 's1'): RawClient {
    const client = RawClient.connect(this.pathOf(sessionUid), this.pump);
    this.#clients.push(client);
    return client;
  }

  /** A connection of a session, authenticated. */
  connect(sessionUid = 's1', options: Omit<RawHello, 'token' | 'epoch'> = {}): RawClient {
    const client = this.dial(sessionUid);
    const { header } = client.hello({ token: TOKEN, epoch: 1, ...options });
    if (header.code !== 0) throw new Error(`HELLO was answered with status ${header.code}`);
    return client;
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client[Symbol.dispose]();
    this.lane[Symbol.dispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The header of a job with inline data. */
export const submission = (
  programId: number,
  jobId: number,
  input: Uint8Array,
  outputLength: number,
  overrides: Partial<Header> = {},
): Header =>
  headerOf(FRAME.SUBMIT, {
    epoch: 1,
    code: programId,
    jobLow: jobId,
    inputLength: input.length,
    outputLength,
    ...overrides,
  });

/** Submits one job with inline data and waits for what comes next. */
export function runInline(
  client: RawClient,
  programId: number,
  input: Uint8Array,
  outputLength: number,
  metadata: RawFrame['metadata'] = [],
): RawFrame {
  client.send(submission(programId, 1, input, outputLength), metadata, input);
  const frame = client.receive();
  if (frame === undefined) throw new Error('the connection was closed');
  return frame;
}
