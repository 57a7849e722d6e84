import type { StreamBus } from '@outboard/bus';
import { PAGE_SIZE, ResourceClient } from '@outboard/client';
import { subjects } from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import type { AnyKind } from '@outboard/model';
import type { ExplanationJson } from './output/explanation.js';
import type { TraceJson } from './output/trace.js';

/** What a service would change: rows by `Kind/tenant/name`, objects in the documents of DPUs, flows between ports. */
export interface Plan {
  readonly changed: readonly string[];
  readonly documents: readonly {
    readonly dpu: string;
    /** Keys. */
    readonly upserts: readonly string[];
    readonly deletes: readonly string[];
    /** As many of these as an answer has room for. */
    readonly objects?: readonly {
      readonly key: string;
      readonly before?: Readonly<Record<string, unknown>>;
      readonly after?: Readonly<Record<string, unknown>>;
    }[];
  }[];
  /** Absent: a kind that opens and closes nothing by itself. */
  readonly flows?: readonly PlannedFlow[];
  readonly flowTotal?: number;
  /** Of an acceleration session: where it could be. */
  readonly placement?: PlannedPlacement;
}

/** Where an acceleration session could be, the best first, and why it cannot be elsewhere. */
export interface PlannedPlacement {
  readonly fits: boolean;
  readonly places: readonly {
    readonly dpu: string;
    /** How near to its port: DPU, HOST or ANY. */
    readonly locality: string;
    readonly offload: string;
    readonly expectedMegabytesPerSecond: number;
  }[];
  readonly placeTotal: number;
  readonly refusals: readonly { readonly dpu: string; readonly reason: string; readonly message: string }[];
  readonly refusalTotal: number;
}

/** Flows between ports of two sorts that begin or stop to be possible. */
export interface PlannedFlow {
  readonly change: 'BEGINS' | 'STOPS';
  readonly family: 4 | 6;
  readonly from: PlannedPorts;
  /** Ports, or a destination of a router, but for what is in `except` or has a longer prefix there. */
  readonly to: PlannedPorts | { readonly prefix: string; readonly except: readonly string[] };
  readonly services: readonly {
    readonly protocol: string;
    readonly first?: number;
    readonly last?: number;
  }[];
}

export interface PlannedPorts {
  readonly network: string;
  /** The first of them. */
  readonly names: readonly string[];
  readonly total: number;
}

/** What rules have decided on, or hops were given, on one DPU (outboard.network.v1alpha1.DpuRuleCounters, DpuHopCounters). */
export interface DpuCounters {
  readonly dpu: string;
  readonly rules?: readonly {
    readonly direction: string;
    readonly rule: string;
    /** 64-bit numbers, as strings. */
    readonly packets?: string;
    readonly bytes?: string;
  }[];
  readonly hops?: readonly {
    readonly hop: string;
    readonly direction: string;
    readonly packets?: string;
    readonly bytes?: string;
    readonly passedPackets?: string;
    readonly passedBytes?: string;
  }[];
  readonly message?: string;
}

/** An object of a DPU's dataplane (outboard.network.v1alpha1.Layer1Object). */
export interface Layer1Item {
  readonly key: string;
  readonly type: string;
  readonly state: string;
  readonly message?: string;
  readonly wanted?: unknown;
  readonly observed?: unknown;
  readonly offload?: { readonly state: string; readonly reason: string };
  readonly claims?: readonly {
    readonly owner: string;
    readonly object: string;
    readonly source: { readonly kind: string; readonly tenant: string; readonly name: string };
  }[];
  readonly claimTotal?: number;
}

/** Of a probe: it waits for its turn, and for what may not come. */
const TRACE_MILLISECONDS = 30_000;

/** Longer than anybody on the way waits for a CNF. */
const CNF_MILLISECONDS = 10_000;

export interface LogsQuestion {
  readonly name: string;
  readonly cursor?: string;
  readonly tail?: number;
  readonly waitMilliseconds?: number;
}

/** What a workload has said (outboard.admin.v1alpha1.WorkloadLogsResponse). */
export interface LogsPage {
  readonly lines?: readonly { readonly time: string; readonly stream: string; readonly text?: string }[];
  readonly cursor?: string;
  readonly truncated?: boolean;
}

export interface CnfMethod {
  readonly tenant: string;
  readonly workload: string;
  readonly interface: string;
  readonly method: string;
}

/** Kinds of which something is counted. */
export type CountedKind = 'SecurityPolicy' | 'ServiceChain';

/** Stands where a kind does, on the subjects of requests for objects of layer 1. */
const LAYER1 = { api: 'network', kind: 'Layer1' } as const;

const SESSION = { api: 'acceleration', kind: 'AccelerationSession' } as const;

/** All of Outboard's API as methods. */
export class OutboardClient extends ResourceClient<StreamBus> {
  /** What `apply` would do, without doing it. */
  plan(kind: AnyKind, tenant: string, manifest: unknown): Promise<Result<Plan, AppError>> {
    return this.call(kind, tenant, 'plan', manifest);
  }

  /** A new token for an acceleration session, 64 hexadecimal digits; the one before is valid no more. */
  async token(tenant: string, name: string): Promise<Result<string, AppError>> {
    const given = await this.call<{ token: string }>(SESSION, tenant, 'token', { name });
    return given.ok ? ok(given.value.token) : given;
  }

  /** What a workload has said (outboard.admin.v1alpha1.WorkloadLogsRequest). */
  logs(tenant: string, question: LogsQuestion): Promise<Result<LogsPage, AppError>> {
    return this.call({ api: 'admin', kind: 'Workload' }, tenant, 'logs', question);
  }

  /** Calls a method of an interface that a CNF publishes, with a JSON text; its answer as one. */
  async callCnf(
    { tenant, workload, interface: name, method }: CnfMethod,
    body: string,
  ): Promise<Result<string, AppError>> {
    const subject = subjects.cnf(tenant, workload, name, method);
    const message = { headers: {}, body: Buffer.from(body) };
    const reply = await this.bus.request(subject, message, { deadlineMilliseconds: CNF_MILLISECONDS });
    return reply.ok ? ok(Buffer.from(reply.value.body).toString()) : reply;
  }

  /** What becomes of a flow (outboard.network.v1alpha1.ExplainRequest). */
  explain(tenant: string, question: object): Promise<Result<ExplanationJson, AppError>> {
    return this.call({ api: 'network', kind: 'Port' }, tenant, 'explain', question);
  }

  /** What becomes of a flow that a testbed sends (outboard.network.v1alpha1.ExplainRequest). */
  async trace(tenant: string, question: object): Promise<Result<TraceJson, AppError>> {
    const message = { headers: {}, body: Buffer.from(JSON.stringify(question)) };
    const reply = await this.bus.request(subjects.probe(tenant), message, {
      deadlineMilliseconds: TRACE_MILLISECONDS,
    });
    if (reply.ok) return ok(JSON.parse(Buffer.from(reply.value.body).toString()) as TraceJson);
    const { code } = reply.error;
    return code === 'UNAVAILABLE'
      ? err(new AppError(code, 'nobody sends probes here: only a testbed does', { reason: 'NO_TESTBED' }))
      : reply;
  }

  /** What the rules of a policy have decided on, or the hops of a chain were given, DPU by DPU: all pages. */
  async counters(
    kind: CountedKind,
    tenant: string,
    name: string,
  ): Promise<Result<readonly DpuCounters[], AppError>> {
    const items: DpuCounters[] = [];
    for (let pageToken = ''; ; ) {
      const page = await this.call<{ items?: readonly DpuCounters[]; nextPageToken?: string }>(
        { api: 'network', kind },
        tenant,
        'counters',
        { name, pageToken },
      );
      if (!page.ok) return page;
      items.push(...(page.value.items ?? []));
      pageToken = page.value.nextPageToken ?? '';
      if (pageToken === '') return ok(items);
    }
  }

  /** What a DPU's dataplane is made of: all pages. `_` asks for what is of all tenants. */
  async layer1(
    tenant: string,
    query: { readonly dpu: string; readonly type: string; readonly fieldSelector: string },
  ): Promise<Result<readonly Layer1Item[], AppError>> {
    const items: Layer1Item[] = [];
    for (let pageToken = ''; ; ) {
      const parameters = { ...query, pageSize: PAGE_SIZE, pageToken };
      const page = await this.call<{ items?: readonly Layer1Item[]; nextPageToken?: string }>(
        LAYER1,
        tenant,
        'list',
        parameters,
      );
      if (!page.ok) return page;
      items.push(...(page.value.items ?? []));
      pageToken = page.value.nextPageToken ?? '';
      if (pageToken === '') return ok(items);
    }
  }
}
