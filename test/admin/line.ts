import { readdirSync, readFileSync } from 'node:fs';
import { ResourceClient } from '@outboard/client';
import { subjects } from '@outboard/contracts';
import { systemClock, unwrap } from '@outboard/core';
import { LocalStack, type Manifest, type Workspace } from '@outboard/local-stack';
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
      const client = new ResourceClient(await stack.operator(), systemClock);
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

  /** Resolves when it is ready, in this generation or a later one. */
  ready<Kind extends KindName>(kind: Kind, name: string, generation = 1): Promise<ResourceOf<Kind>> {
    return this.until(kind, name, 'is ready', (resource) => {
      const { metadata, status }: AnyResource = resource;
      const isNow = metadata.generation >= generation && status.observedGeneration === metadata.generation;
      return isNow && isReady(status.conditions);
    });
  }

  /** Has something that is there be other than it was; resolves when it is. */
  async change(manifest: Manifest): Promise<void> {
    const { kind, metadata } = manifest;
    const before = this.find(kind, metadata.name)?.metadata.generation ?? 0;
    await this.acme.apply(manifest);
    await this.ready(kind, metadata.name, before + 1);
  }

  /** Calls what a CNF publishes. Throws AppError with what it, or the system, says against it. */
  async call<Answer>(workload: string, name: string, method: string, request: object = {}): Promise<Answer> {
    const subject = subjects.cnf('acme', workload, name, method);
    const body = Buffer.from(JSON.stringify(request));
    const limits = { deadlineMilliseconds: CALL_MILLISECONDS };
    const reply = unwrap(await this.acme.bus.request(subject, { headers: {}, body }, limits));
    return JSON.parse(Buffer.from(reply.body).toString()) as Answer;
  }

  /** Kills what runs in a workload, all at once; what watches it lives. */
  kill(workload: string): void {
    const uid = this.find('Workload', workload)?.metadata.uid;
    if (uid === undefined) throw new Error(`no workload ${workload}`);
    const pids = processesOf(uid);
    if (pids.length === 0) throw new Error(`workload ${workload} has no processes`);
    for (const pid of pids) killIfThere(pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }
}

/** With the first process of a container the kernel ends the others. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (failure) {
    if ((failure as { code?: unknown }).code !== 'ESRCH') throw failure;
  }
}

/** By the cgroup, which is called as the workload's uid. */
function processesOf(uid: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const isWatcher = readFileSync(`/proc/${name}/comm`, 'utf8').trim() === 'conmon';
        const isInside = readFileSync(`/proc/${name}/cgroup`, 'utf8').includes(uid);
        return isInside && !isWatcher ? [Number(name)] : [];
      } catch {
        return [];
      }
    });
}
