import { readdirSync, readFileSync } from 'node:fs';
import { ResourceClient } from '@outboard/client';
import { subjects } from '@outboard/contracts';
import { systemClock, unwrap } from '@outboard/core';
import { LocalStack, type Workspace } from '@outboard/local-stack';
import { type AnyResource, isReady, type KindName, kindOf, type ResourceOf } from '@outboard/model';
import { CNFS, manifests } from './examples.js';

const READY_MILLISECONDS = 60_000;
const CALL_MILLISECONDS = 10_000;

/** Two sites of a tenant, on a DPU each, as `examples/cnfs/manifests` describes them. */
export class Line implements AsyncDisposable {
  private constructor(
    readonly stack: LocalStack,
    readonly acme: Workspace,
  ) {}

  /** Resolves when everything has been accepted. */
  static async start(name: string): Promise<Line> {
    const stack = await LocalStack.start({
      name,
      tenants: ['acme'],
      providerNetwork: true,
      workloadDirectories: [CNFS],
    });
    try {
      const options = { timeoutMilliseconds: undefined, requestedBy: undefined };
      const client = new ResourceClient(await stack.operator(), systemClock, options);
      for (const document of ['fabric', 'encapsulation', 'functions'].flatMap(manifests)) {
        const { kind } = document;
        unwrap(await client.apply({ api: kindOf({ kind }).api, kind }, '_', document));
      }
      const acme = await stack.workspace('acme');
      for (const file of ['acme', 'workloads', 'configurations', 'chain'])
        await acme.apply(...manifests(file));
      return new Line(stack, acme);
    } catch (failure) {
      await stack[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** The resource as it is now. */
  find<Kind extends KindName>(kind: Kind, name: string): ResourceOf<Kind> | undefined {
    const resource = this.acme.state.get(this.acme.address(kind, name));
    return resource?.kind === kind ? (resource as ResourceOf<Kind>) : undefined;
  }

  /** Resolves with the resource when it fits. */
  until<Kind extends KindName>(
    kind: Kind,
    name: string,
    what: string,
    fits: (resource: ResourceOf<Kind>) => boolean,
  ): Promise<ResourceOf<Kind>> {
    const look = () => {
      const resource = this.find(kind, name);
      return resource !== undefined && fits(resource) ? resource : undefined;
    };
    return this.acme.state.until(`${kind} ${name} ${what}`, look, READY_MILLISECONDS) as Promise<
      ResourceOf<Kind>
    >;
  }

  /** Resolves when it is ready as it is wanted now. */
  ready<Kind extends KindName>(kind: Kind, name: string): Promise<ResourceOf<Kind>> {
    return this.until(kind, name, 'is ready', (resource) => {
      const { metadata, status }: AnyResource = resource;
      return status.observedGeneration === metadata.generation && isReady(status.conditions);
    });
  }

  /** Calls what a CNF publishes. Throws AppError with what it, or the system, says against it. */
  async call<Answer>(workload: string, name: string, method: string, request: object = {}): Promise<Answer> {
    const subject = subjects.cnf('acme', workload, name, method);
    const body = Buffer.from(JSON.stringify(request));
    const limits = { deadlineMilliseconds: CALL_MILLISECONDS };
    const reply = unwrap(await this.acme.bus.request(subject, { headers: {}, body }, limits));
    return JSON.parse(Buffer.from(reply.body).toString()) as Answer;
  }

  /** Kills a program as nobody does who means well: every process of the workload at once. */
  kill(workload: string): void {
    const uid = this.find('Workload', workload)?.metadata.uid;
    if (uid === undefined) throw new Error(`no workload ${workload}`);
    for (const pid of processesOf(uid)) process.kill(pid, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }
}

/** By the cgroup, which is called as the workload's uid. */
function processesOf(uid: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return readFileSync(`/proc/${name}/cgroup`, 'utf8').includes(uid) ? [Number(name)] : [];
      } catch {
        return [];
      }
    });
}
