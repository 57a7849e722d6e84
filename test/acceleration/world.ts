import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { keyInfo, publicKeyFrom, seal } from '@outboard/acceleration';
import { AccelerationClient, type ClientOptions } from '@outboard/acceleration-client';
import { BusSession } from '@outboard/acceleration-client/bus';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import { type AccelerationKey, type AccelerationSession, isReady } from '@outboard/model';
import { waitUntil } from '@outboard/testbed';

const execute = promisify(execFile);
const COMMAND_LINE = fileURLToPath(new URL('../../services/cli/dist/main.js', import.meta.url));

/** A DPU that is silent for so long counts as dead. */
const LEASE_MILLISECONDS = 2000;
const SETTLED_MILLISECONDS = 30_000;

/** Two DPUs of one host: a session that leaves one of them is still near its holder on the other. */
export const DPUS = [
  {
    name: 'dpu-a',
    host: 'host-1',
    serialNumber: 'OB-SIM-0001',
    pfMacAddress: '02:0b:00:00:01:00',
    functions: 4,
  },
  {
    name: 'dpu-b',
    host: 'host-1',
    serialNumber: 'OB-SIM-0002',
    pfMacAddress: '02:0b:00:00:02:00',
    functions: 4,
  },
] as const;

/** A session with the token of its holder. */
export interface HeldSession {
  readonly name: string;
  readonly token: Buffer;
}

/** Everything of Outboard, with acceleration on two DPUs of one host; tenant acme. */
export class AccelerationWorld implements AsyncDisposable {
  private constructor(
    readonly stack: LocalStack,
    readonly acme: Workspace,
  ) {}

  static async start(name: string): Promise<AccelerationWorld> {
    const stack = await LocalStack.start({
      name,
      dpus: DPUS,
      acceleration: true,
      environment: { OUTBOARD_ACCELERATION_FAULTS: 'allowed' },
      leaseMilliseconds: LEASE_MILLISECONDS,
    });
    try {
      return new AccelerationWorld(stack, await stack.workspace('acme'));
    } catch (failure) {
      await stack[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** Gives the tenant a key, sealed to both DPUs: nobody else has it. */
  async importKey(name: string, secret: Uint8Array): Promise<void> {
    const algorithm = 'AES_256_GCM';
    await this.acme.apply({ kind: 'AccelerationKey', metadata: { name }, spec: { algorithm } });
    const { metadata } = await this.#settled(name, 'AccelerationKey', () => true);
    const info = keyInfo({ keyUid: metadata.uid, tenant: 'acme', sessionUid: '', algorithm }, 1);
    let publicKeys: readonly string[] = [];
    await waitUntil(
      'both DPUs tell what keys are sealed to',
      async () => {
        publicKeys = (await this.stack.dpus()).flatMap(
          ({ status }) => status.accelerator?.sealingPublicKey ?? [],
        );
        return publicKeys.length === DPUS.length ? undefined : `${publicKeys.length} do`;
      },
      SETTLED_MILLISECONDS,
    );
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    const version = {
      version: 1,
      sealed: publicKeys.map((sealingPublicKey) => {
        const recipient = publicKeyFrom(Buffer.from(sealingPublicKey, 'base64'));
        const { encapsulated, ciphertext } = seal(recipient, secret, { info });
        return {
          sealingPublicKey,
          encapsulatedKey: base64(encapsulated),
          ciphertext: base64(ciphertext),
        };
      }),
    };
    await this.acme.apply({
      kind: 'AccelerationKey',
      metadata: { name },
      spec: { algorithm, versions: [version] },
    });
  }

  /** Makes a session; resolves when its DPU serves it. */
  async createSession(name: string, spec: Manifest['spec']): Promise<HeldSession> {
    const token = randomBytes(32);
    const tokenSha256 = createHash('sha256').update(token).digest('hex');
    await this.acme.apply({
      kind: 'AccelerationSession',
      metadata: { name },
      spec: { ...spec, tokenSha256 },
    });
    await this.session(name, () => true);
    return { name, token };
  }

  /** The session when it is ready and as it should be. */
  session(name: string, isAsWanted: (session: AccelerationSession) => boolean): Promise<AccelerationSession> {
    return this.#settled(
      name,
      'AccelerationSession',
      (session) => isReady(session.status.conditions) && isAsWanted(session),
    );
  }

  /** Directories of a session, one for each DPU of the host: what is mounted into the holder's pod. */
  async directoriesOf({ name }: HeldSession): Promise<readonly string[]> {
    const { metadata } = await this.session(name, () => true);
    return DPUS.map((dpu) => `${this.stack.stack.accelerationDirectory(dpu.name)}/${metadata.uid}`);
  }

  /** What the command line says to an operator; rejects with what it says on standard error. */
  async outboard(...args: readonly string[]): Promise<string> {
    const { stack, credentials } = this.stack;
    const seed = join(credentials, 'operator.seed');
    const options = ['--server', stack.clientUrl, '--seed', seed];
    return (await execute(process.execPath, [COMMAND_LINE, ...options, ...args])).stdout;
  }

  /** A client that follows its session on the bus. */
  client({ name, token }: HeldSession, options: Partial<ClientOptions> = {}): AccelerationClient {
    const session = new BusSession({ state: this.acme.state, tenant: 'acme', name, token });
    return new AccelerationClient({ locate: session.locate, known: session.known, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }

  #settled<Kind extends 'AccelerationKey' | 'AccelerationSession'>(
    name: string,
    kind: Kind,
    isAsWanted: (resource: Extract<AccelerationKey | AccelerationSession, { kind: Kind }>) => boolean,
  ): Promise<Extract<AccelerationKey | AccelerationSession, { kind: Kind }>> {
    type Wanted = Extract<AccelerationKey | AccelerationSession, { kind: Kind }>;
    return this.acme.state.until(
      `${kind} acme/${name} is as it should be`,
      () => {
        const resource = this.acme.state.get(this.acme.address(kind, name)) as Wanted | undefined;
        return resource !== undefined && isAsWanted(resource) ? resource : undefined;
      },
      SETTLED_MILLISECONDS,
    );
  }
}
