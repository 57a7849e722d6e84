import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AccelerationClient, type ClientOptions } from '@outboard/acceleration-client';
import { BusSession } from '@outboard/acceleration-client/bus';
import {
  createSession,
  type HeldSession,
  importKey,
  readySession,
} from '@outboard/acceleration-client/orchestrator';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
import type { AccelerationSession } from '@outboard/model';

const execute = promisify(execFile);
const COMMAND_LINE = fileURLToPath(new URL('../../services/cli/dist/main.js', import.meta.url));

/** A DPU that is silent for so long counts as dead. */
const LEASE_MILLISECONDS = 2000;

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
  importKey(name: string, secret: Uint8Array): Promise<void> {
    return importKey(() => this.stack.dpus(), this.acme, { name, secret, dpus: DPUS.map((dpu) => dpu.name) });
  }

  /** Makes a session; resolves when its DPU serves it. */
  createSession(name: string, spec: Manifest['spec']): Promise<HeldSession> {
    return createSession(this.acme, name, spec);
  }

  /** The session when it is served and as it should be. */
  session(
    name: string,
    isAsWanted?: (session: AccelerationSession) => boolean,
  ): Promise<AccelerationSession> {
    return readySession(this.acme, name, isAsWanted);
  }

  /** Directories of a session, one for each DPU of the host: what is mounted into the holder's pod. */
  async directoriesOf({ name }: HeldSession): Promise<readonly string[]> {
    const { metadata } = await this.session(name);
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
}
