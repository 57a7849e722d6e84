import { readdirSync } from 'node:fs';
import { NetworkNamespace } from '@outboard/netlink';
import type { Program, ProgramSpecification } from './program.js';

/**
 * What keeps a mount namespace alive. The copies of other namespaces' names are taken out of it first: each would keep
 * its namespace alive after everybody else had removed it.
 */
const SCRIPT = `
while umount --lazy --recursive /run/netns 2>/dev/null; do :; done
mkdir -p /run/netns && mount -t tmpfs -o mode=755 outboard /run/netns || exit 1
echo '{"event":"ready"}'
exec sleep infinity`;

/** The program behind a machine. */
export const machineProgram = (dpu: string): Pick<ProgramSpecification, 'name' | 'command'> => ({
  name: `machine/${dpu}`,
  command: ['unshare', '--mount', '--propagation', 'private', '--', 'sh', '-c', SCRIPT],
});

/**
 * A DPU as a computer of its own: programs on it have a /run/netns that no other DPU and no other testbed sees, so
 * network namespaces that they make neither collide nor outlive it. Comes into being when it is first entered.
 */
export class Machine {
  #starting: Promise<unknown> | undefined;

  constructor(readonly program: Program) {}

  /** What a command has to begin with to run on it. */
  async enter(): Promise<string[]> {
    return ['nsenter', `--mount=/proc/${await this.#pid()}/ns/mnt`, '--'];
  }

  /** Names of the network namespaces that programs on it have made, sorted. */
  async namespaces(): Promise<string[]> {
    return readdirSync(await this.#directory()).sort();
  }

  /** One of them. Throws AppError NOT_FOUND. */
  async openNamespace(name: string): Promise<NetworkNamespace> {
    return NetworkNamespace.open({ path: `${await this.#directory()}/${name}` });
  }

  async #directory(): Promise<string> {
    return `/proc/${await this.#pid()}/root/run/netns`;
  }

  async #pid(): Promise<number> {
    if (!this.program.isRunning) this.#starting = undefined;
    this.#starting ??= this.program.start();
    await this.#starting;
    const { pid } = this.program;
    if (pid === undefined) throw new Error(`${this.program.name} ended`);
    return pid;
  }
}
