import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ResourceClient } from '@outboard/client';
import { subjects } from '@outboard/contracts';
import { type AppError, ok, type Result, systemClock, unwrap } from '@outboard/core';
import type { LocalStack } from '@outboard/local-stack';
import { decodeResource, type ResourceOf, type Workload, type WorkloadConfiguration } from '@outboard/model';
import { waitUntil } from '@outboard/testbed';

const TENANT = 'acme';
const DEADLINE_MILLISECONDS = 10_000;

/** Where the CNF of the workloads' own tests lies. */
export const PROGRAMS = fileURLToPath(new URL('../../libs/workloads/test', import.meta.url));

type Kind = 'Workload' | 'WorkloadConfiguration' | 'FunctionPool';

/** The workloads of tenant acme on the DPUs of a stack, as whoever deploys them sees it. */
export class WorkloadSite {
  private constructor(
    private readonly stack: LocalStack,
    private readonly client: ResourceClient,
  ) {}

  static async open(stack: LocalStack): Promise<WorkloadSite> {
    return new WorkloadSite(stack, new ResourceClient(await stack.operator(), systemClock));
  }

  async apply(kind: Kind, name: string, spec: object): Promise<void> {
    unwrap(await this.tryApply(kind, name, spec));
  }

  tryApply(kind: Kind, name: string, spec: object): Promise<Result<unknown, AppError>> {
    const tenant = kind === 'FunctionPool' ? '_' : TENANT;
    const metadata = { name, ...(tenant !== '_' && { tenant }) };
    const manifest = { apiVersion: 'admin.outboard.dev/v1alpha1', kind, metadata, spec };
    return this.client.apply({ api: 'admin', kind }, tenant, manifest);
  }

  async plan(kind: Kind, name: string, spec: object): Promise<Result<unknown, AppError>> {
    const metadata = { tenant: TENANT, name };
    const manifest = { apiVersion: 'admin.outboard.dev/v1alpha1', kind, metadata, spec };
    return this.#ask(subjects.rpc(TENANT, 'admin', kind.toLowerCase(), 'plan'), manifest);
  }

  async delete(kind: Kind, name: string): Promise<void> {
    unwrap(await this.client.delete({ api: 'admin', kind }, TENANT, name));
  }

  workload(name: string): Promise<Workload> {
    return this.#get('Workload', name);
  }

  /** Resolves with the workload when something holds of it. */
  until(what: string, name: string, holds: (workload: Workload) => boolean): Promise<Workload> {
    return this.#until('Workload', what, name, holds);
  }

  ready(name: string, holds: (workload: Workload) => boolean = () => true): Promise<Workload> {
    return this.until('is ready', name, (workload) => readyOf(workload).status === 'True' && holds(workload));
  }

  configured(
    name: string,
    holds: (configuration: WorkloadConfiguration) => boolean,
  ): Promise<WorkloadConfiguration> {
    return this.#until('WorkloadConfiguration', 'is settled', name, holds);
  }

  /** Calls a method as an orchestrator of the tenant does. */
  async call(cnf: string, interfaceName: string, method: string, body: object = {}): Promise<unknown> {
    const { bus } = await this.stack.workspace(TENANT);
    const subject = subjects.cnf(TENANT, cnf, interfaceName, method);
    const reply = await bus.request(
      subject,
      { headers: {}, body: Buffer.from(JSON.stringify(body)) },
      { deadlineMilliseconds: DEADLINE_MILLISECONDS },
    );
    if (reply.ok) return JSON.parse(Buffer.from(reply.value.body).toString());
    const { code, reason, message } = reply.error;
    return { code, reason, message };
  }

  async logs(name: string, more: object = {}): Promise<readonly string[]> {
    const subject = subjects.rpc(TENANT, 'admin', 'workload', 'logs');
    const page = unwrap(await this.#ask(subject, { name, ...more })) as {
      lines?: readonly { text: string }[];
    };
    return (page.lines ?? []).map(({ text }) => text);
  }

  async #get<K extends 'Workload' | 'WorkloadConfiguration'>(kind: K, name: string): Promise<ResourceOf<K>> {
    const found = unwrap(await this.client.get({ api: 'admin', kind }, TENANT, name));
    return unwrap(decodeResource(found)) as ResourceOf<K>;
  }

  async #until<K extends 'Workload' | 'WorkloadConfiguration'>(
    kind: K,
    what: string,
    name: string,
    holds: (resource: ResourceOf<K>) => boolean,
  ): Promise<ResourceOf<K>> {
    let found = await this.#get(kind, name);
    await waitUntil(
      `${kind} ${name} ${what}`,
      async () => {
        found = await this.#get(kind, name);
        if (holds(found)) return undefined;
        const { reason, message } = readyOf(found);
        return `${reason}: ${message}`;
      },
      30_000,
    );
    return found;
  }

  async #ask(subject: string, body: object): Promise<Result<unknown, AppError>> {
    const bus = await this.stack.operator();
    const message = { headers: {}, body: Buffer.from(JSON.stringify(body)) };
    const reply = await bus.request(subject, message, { deadlineMilliseconds: DEADLINE_MILLISECONDS });
    return reply.ok ? ok(JSON.parse(Buffer.from(reply.value.body).toString())) : reply;
  }
}

/** What a resource as a whole is. */
export const readyOf = ({ status }: Workload | WorkloadConfiguration) =>
  status.conditions.find(({ type }) => type === 'Ready') ?? { status: 'Unknown', reason: '', message: '' };

/** Processes of this machine whose environment has this variable. */
export const processesWith = (variable: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`).includes(`${variable}\0`);
      } catch {
        return false;
      }
    })
    .map(Number);
