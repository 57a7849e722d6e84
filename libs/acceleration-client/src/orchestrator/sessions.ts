import { createHash, randomBytes } from 'node:crypto';
import { keyInfo, publicKeyFrom, seal } from '@outboard/acceleration';
import type { Manifest, TenantClient } from '@outboard/client';
import { AppError, systemClock } from '@outboard/core';
import { type AccelerationSession, type Accelerator, type Dpu, isReady } from '@outboard/model';

const KEY_ALGORITHM = 'AES_256_GCM' as const;
const READY_MILLISECONDS = 30_000;
const LOOK_AGAIN_MILLISECONDS = 50;

/** Answers with all DPUs, as the admin service knows them. */
export type ListDpus = () => Promise<readonly Dpu[]>;

/** A session with the token of its holder. */
export interface HeldSession {
  readonly name: string;
  readonly token: Buffer;
}

/** Gives a tenant an AES-256-GCM key, sealed to these DPUs: nobody else can open it. Throws refusals. */
export async function importKey(
  listDpus: ListDpus,
  client: TenantClient,
  {
    name,
    secret,
    dpus,
  }: { readonly name: string; readonly secret: Uint8Array; readonly dpus: readonly string[] },
): Promise<void> {
  // What is sealed is bound to the key's uid, which it has when it is made.
  await applyKey(client, name, []);
  await applyKey(client, name, [await sealVersion(listDpus, client, { name, version: 1, secret, dpus })]);
}

/** Has a key have these versions. */
export const applyKey = (client: TenantClient, name: string, versions: readonly object[]): Promise<void> =>
  client.apply({
    kind: 'AccelerationKey',
    metadata: { name },
    spec: { algorithm: KEY_ALGORITHM, versions },
  });

/** A version of a key that is there, for these DPUs alone, as a manifest has it. */
export async function sealVersion(
  listDpus: ListDpus,
  client: TenantClient,
  {
    name,
    version,
    secret,
    dpus,
  }: {
    readonly name: string;
    readonly version: number;
    readonly secret: Uint8Array;
    readonly dpus: readonly string[];
  },
): Promise<object> {
  const { tenant, state } = client;
  const address = client.address('AccelerationKey', name);
  const { metadata } = await state.until(
    `key ${tenant}/${name} is there`,
    () => state.get(address),
    READY_MILLISECONDS,
  );
  const identity = { keyUid: metadata.uid, tenant, sessionUid: '', algorithm: KEY_ALGORITHM };
  const info = keyInfo(identity, version);
  const sealed = (await acceleratorsOf(listDpus, dpus)).map(({ sealingPublicKey }) => {
    const { encapsulated, ciphertext } = seal(
      publicKeyFrom(Buffer.from(sealingPublicKey, 'base64')),
      secret,
      { info },
    );
    return {
      sealingPublicKey,
      encapsulatedKey: Buffer.from(encapsulated).toString('base64'),
      ciphertext: Buffer.from(ciphertext).toString('base64'),
    };
  });
  return { version, sealed };
}

/** What these DPUs have for applications. A worker tells it with its first inventory, which is waited for. */
export async function acceleratorsOf(
  listDpus: ListDpus,
  dpus: readonly string[],
): Promise<readonly Accelerator[]> {
  const until = systemClock.now() + READY_MILLISECONDS;
  for (;;) {
    const told = (await listDpus())
      .filter((dpu) => dpus.includes(dpu.metadata.name))
      .flatMap(({ status }) => status.accelerator ?? []);
    if (told.length === dpus.length) return told;
    if (systemClock.now() >= until) {
      const what = `not so: ${dpus.join(', ')} tell what engines they have (${told.length} of ${dpus.length})`;
      throw new AppError('DEADLINE_EXCEEDED', what);
    }
    await systemClock.delay(LOOK_AGAIN_MILLISECONDS);
  }
}

/** Makes a session with a token that its holder draws; resolves when its DPU serves it. Throws refusals. */
export async function createSession(
  client: TenantClient,
  name: string,
  spec: Manifest['spec'],
): Promise<HeldSession> {
  const token = randomBytes(32);
  const tokenSha256 = createHash('sha256').update(token).digest('hex');
  await client.apply({ kind: 'AccelerationSession', metadata: { name }, spec: { ...spec, tokenSha256 } });
  await readySession(client, name);
  return { name, token };
}

/** The session when a DPU serves it and it is as it should be. Throws AppError DEADLINE_EXCEEDED. */
export function readySession(
  { tenant, state, address }: TenantClient,
  name: string,
  isAsWanted: (session: AccelerationSession) => boolean = () => true,
): Promise<AccelerationSession> {
  const place = address('AccelerationSession', name);
  return state.until(
    `session ${tenant}/${name} is served as it should be`,
    () => {
      const session = state.get(place);
      return session?.kind === 'AccelerationSession' &&
        isReady(session.status.conditions) &&
        isAsWanted(session)
        ? session
        : undefined;
    },
    READY_MILLISECONDS,
  );
}
