import { createHash, randomBytes } from 'node:crypto';
import { keyInfo, publicKeyFrom, seal } from '@outboard/acceleration';
import { type AccelerationSession, isReady } from '@outboard/model';
import { waitUntil } from '@outboard/testbed';
import type { LocalStack } from './local-stack.js';
import type { Manifest, Workspace } from './workspace.js';

const KEY_ALGORITHM = 'AES_256_GCM' as const;
const READY_MILLISECONDS = 30_000;

/** A session with the token of its holder. */
export interface HeldSession {
  readonly name: string;
  readonly token: Buffer;
}

/** Gives a tenant an AES-256-GCM key, sealed to these DPUs: nobody else can open it. Throws refusals. */
export async function importKey(
  stack: LocalStack,
  workspace: Workspace,
  {
    name,
    secret,
    dpus,
  }: { readonly name: string; readonly secret: Uint8Array; readonly dpus: readonly string[] },
): Promise<void> {
  // What is sealed is bound to the key's uid, which it has when it is made.
  await applyKey(workspace, name, []);
  await applyKey(workspace, name, [await sealVersion(stack, workspace, { name, version: 1, secret, dpus })]);
}

/** Has a key have these versions. */
export const applyKey = (workspace: Workspace, name: string, versions: readonly object[]): Promise<void> =>
  workspace.apply({
    kind: 'AccelerationKey',
    metadata: { name },
    spec: { algorithm: KEY_ALGORITHM, versions },
  });

/** A version of a key that is there, for these DPUs alone, as a manifest has it. */
export async function sealVersion(
  stack: LocalStack,
  workspace: Workspace,
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
  const { tenant, state } = workspace;
  const address = workspace.address('AccelerationKey', name);
  const { metadata } = await state.until(
    `key ${tenant}/${name} is there`,
    () => state.get(address),
    READY_MILLISECONDS,
  );
  const identity = { keyUid: metadata.uid, tenant, sessionUid: '', algorithm: KEY_ALGORITHM };
  const info = keyInfo(identity, version);
  let publicKeys: readonly string[] = [];
  // A worker tells it with its first inventory.
  await waitUntil(
    `${dpus.join(', ')} tell what keys are sealed to`,
    async () => {
      publicKeys = (await stack.dpus())
        .filter((dpu) => dpus.includes(dpu.metadata.name))
        .flatMap(({ status }) => status.accelerator?.sealingPublicKey ?? []);
      return publicKeys.length < dpus.length ? `${publicKeys.length} of ${dpus.length}` : undefined;
    },
    READY_MILLISECONDS,
  );
  const sealed = publicKeys.map((sealingPublicKey) => {
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

/** Makes a session with a token that its holder draws; resolves when its DPU serves it. Throws refusals. */
export async function createSession(
  workspace: Workspace,
  name: string,
  spec: Manifest['spec'],
): Promise<HeldSession> {
  const token = randomBytes(32);
  const tokenSha256 = createHash('sha256').update(token).digest('hex');
  await workspace.apply({ kind: 'AccelerationSession', metadata: { name }, spec: { ...spec, tokenSha256 } });
  await readySession(workspace, name);
  return { name, token };
}

/** The session when a DPU serves it and it is as it should be. Throws AppError DEADLINE_EXCEEDED. */
export function readySession(
  { tenant, state, address }: Workspace,
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
