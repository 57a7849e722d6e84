import { execFileSync } from 'node:child_process';
import { NetworkNamespace } from '@outboard/ffi';

const PREFIX = `obnl${process.pid}`;

/** Namespaces of one test, removed whatever became of it. Creating them takes root: without it every test fails. */
export class Namespaces {
  readonly #open: NetworkNamespace[] = [];

  create(suffix: string): NetworkNamespace {
    const namespace = NetworkNamespace.create(`${PREFIX}${suffix}`);
    this.#open.push(namespace);
    return namespace;
  }

  /** Ends every namespace of this process. */
  clear(): void {
    for (const namespace of this.#open.splice(0)) namespace.close();
    for (const name of NetworkNamespace.list(PREFIX)) NetworkNamespace.remove(name);
  }
}

/** Runs a program inside a namespace and returns what it printed; throws with its errors if it failed. */
export const run = (namespace: NetworkNamespace, program: string, args: string[], input?: string): string =>
  namespace.run(() =>
    execFileSync(program, args, { encoding: 'utf8', ...(input !== undefined && { input }) }),
  );

/** The same, for what prints JSON. */
export const show = (
  namespace: NetworkNamespace,
  ...command: [string, ...string[]]
): Record<string, never>[] => JSON.parse(run(namespace, command[0], command.slice(1)) || '[]');
