import { create } from '@bufbuild/protobuf';
import type { Bus, Message, Received } from '@outboard/bus';
import {
  CnfRequestSchema,
  CnfResponseSchema,
  decodeBinary,
  decodeJson,
  encodeBinary,
  encodeJson,
  HEADERS,
  LogsRequestSchema,
  LogsResponseSchema,
  parseCnfSubject,
  parseRequestSubject,
  subjects,
  WorkloadLogsRequestSchema,
  WorkloadLogsResponseSchema,
  WorkloadReportResponseSchema,
  WorkloadReportSchema,
} from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import { isConnected, parseManifest, type Workload } from '@outboard/model';
import { binaryReply, dpuOf, type ResourceService } from '@outboard/resource-service';
import type { AdminDomain } from '../domain/admin-domain.js';
import { workloadFacts } from '../domain/workloads/report.js';

/** Longer than a worker waits for a CNF. */
const CALL_MILLISECONDS = 7_000;
const DEFAULT_TAIL = 100;
const MAX_TAIL = 1000;
const MAX_WAIT_MILLISECONDS = 5_000;

export interface WorkloadGatewayOptions {
  readonly service: ResourceService;
  readonly domain: AdminDomain;
  readonly bus: Bus;
}

/** What workers tell of workloads, and what callers want of these: their logs, and the methods that they publish. */
export class WorkloadGateway {
  constructor(private readonly options: WorkloadGatewayOptions) {}

  /** A worker's report of one of its workloads. */
  async report(received: Received): Promise<Result<Message, AppError>> {
    const { service, domain } = this.options;
    const dpu = dpuOf(received);
    if (!dpu.ok) return dpu;
    const report = decodeBinary(WorkloadReportSchema, received.body);
    if (!report.ok) return report;
    const facts = workloadFacts(report.value);
    const written = await service.change(`dpu/${dpu.value}`, (context) =>
      ok(domain.workloadReported(dpu.value, facts, context)),
    );
    return written.ok ? binaryReply(WorkloadReportResponseSchema, {}) : written;
  }

  /** A call on `cnf.<tenant>.<workload>.<interface>.<method>`. */
  async call({ subject, body }: Received): Promise<Result<Message, AppError>> {
    const called = parseCnfSubject(subject);
    if (!called) return err(new AppError('UNIMPLEMENTED', `${subject} is no method of a CNF`));
    const { tenant, workload: name, interface: interfaceName, method } = called;
    const found = await this.#running(tenant, name);
    if (!found.ok) return found;
    const published = found.value.status.interfaces.find((each) => each.name === interfaceName);
    if (!published)
      return err(
        new AppError('NOT_FOUND', `cnf ${tenant}/${name} does not publish ${interfaceName} now`, {
          reason: 'UNKNOWN_INTERFACE',
        }),
      );
    const answer = await this.#ask(found.value, interfaceName, { case: 'method', value: method }, body);
    return answer.ok ? ok({ headers: {}, body: answer.value }) : answer;
  }

  /** What a CNF that runs says against the configuration of a dry run that is right otherwise; undefined: nothing. */
  async tryPlanned({ subject, headers, body }: Received): Promise<AppError | undefined> {
    if (headers[HEADERS.operation] === 'delete') return undefined;
    const tenant = parseRequestSubject(subject)?.tenant ?? '';
    const manifest = parseManifest(body, undefined);
    if (!manifest.ok || manifest.value.kind !== 'WorkloadConfiguration') return undefined;
    const { spec } = manifest.value;
    const found = await this.#running(tenant, spec.workload);
    // One that does not run cannot be asked: what the schema says is all there is.
    if (!found.ok || !found.value.status.interfaces.some(({ name }) => name === spec.interface))
      return undefined;
    const text = Buffer.from(JSON.stringify(spec.configuration));
    const operation = { case: 'tryConfiguration', value: true } as const;
    const answer = await this.#ask(found.value, spec.interface, operation, text);
    return answer.ok ? undefined : answer.error;
  }

  /** `rpc.<tenant>.admin.workload.logs`. */
  async logs({ subject, body }: Received): Promise<Result<Message, AppError>> {
    const request = decodeJson(WorkloadLogsRequestSchema, body);
    if (!request.ok) return err(request.error.toError());
    const { name, cursor, tail, waitMilliseconds } = request.value;
    const violations = [
      ...(name === '' ? [{ field: 'name', description: 'is required' }] : []),
      ...(tail > MAX_TAIL ? [{ field: 'tail', description: `must be 0 to ${MAX_TAIL}` }] : []),
      ...(waitMilliseconds > MAX_WAIT_MILLISECONDS
        ? [{ field: 'waitMilliseconds', description: `must be 0 to ${MAX_WAIT_MILLISECONDS}` }]
        : []),
    ];
    if (violations.length > 0) return err(AppError.invalid(violations));
    const tenant = parseRequestSubject(subject)?.tenant ?? '';
    const found = await this.#found(tenant, name);
    if (!found.ok) return found;
    const { dpu } = found.value.status;
    if (dpu === undefined) return err(notPlaced(found.value));
    const asked = create(LogsRequestSchema, {
      workloadUid: found.value.metadata.uid,
      cursor,
      tail: cursor === '' && tail === 0 ? DEFAULT_TAIL : tail,
      waitMilliseconds,
    });
    const reply = await this.#request(dpu, 'logs', encodeBinary(LogsRequestSchema, asked));
    if (!reply.ok) return reply;
    const page = decodeBinary(LogsResponseSchema, reply.value.body);
    if (!page.ok) return page;
    const answer = create(WorkloadLogsResponseSchema, {
      lines: page.value.lines.map(({ time, stream, text }) => ({ time, stream, text })),
      cursor: page.value.cursor,
      truncated: page.value.truncated,
    });
    return ok({ headers: {}, body: Buffer.from(encodeJson(WorkloadLogsResponseSchema, answer)) });
  }

  async #ask(
    { metadata, status }: Workload,
    interfaceName: string,
    operation: { case: 'method'; value: string } | { case: 'tryConfiguration'; value: boolean },
    body: Uint8Array,
  ): Promise<Result<Uint8Array, AppError>> {
    const request = create(CnfRequestSchema, {
      workloadUid: metadata.uid,
      interface: interfaceName,
      operation,
      body,
    });
    const reply = await this.#request(status.dpu ?? '', 'cnf', encodeBinary(CnfRequestSchema, request));
    if (!reply.ok) return reply;
    const answer = decodeBinary(CnfResponseSchema, reply.value.body);
    return answer.ok ? ok(answer.value.body) : answer;
  }

  async #request(dpu: string, channel: 'logs' | 'cnf', body: Uint8Array): Promise<Result<Message, AppError>> {
    const options = { deadlineMilliseconds: CALL_MILLISECONDS };
    return this.options.bus.request(subjects.dpu(dpu, channel, 'admin'), { headers: {}, body }, options);
  }

  #found(tenant: string, name: string): Promise<Result<Workload, AppError>> {
    return this.options.service.query(() => {
      const found = this.options.domain.workload(tenant, name);
      if (found) return ok(found);
      return err(
        new AppError('NOT_FOUND', `workload ${tenant}/${name} does not exist`, { reason: 'NOT_FOUND' }),
      );
    });
  }

  /** One whose DPU can be reached, and that runs. */
  async #running(tenant: string, name: string): Promise<Result<Workload, AppError>> {
    const found = await this.#found(tenant, name);
    if (!found.ok) return found;
    const { dpu: place, state } = found.value.status;
    if (place === undefined) return err(notPlaced(found.value));
    const dpu = this.options.domain.inventory.dpu(place);
    if (dpu === undefined || !isConnected(dpu))
      return err(
        new AppError(
          'UNAVAILABLE',
          `cnf ${tenant}/${name} cannot be reached: the lease of ${place} has expired`,
          {
            reason: 'DPU_UNREACHABLE',
            metadata: { dpu: place },
          },
        ),
      );
    if (state === 'RUNNING') return found;
    return err(
      new AppError('UNAVAILABLE', `cnf ${tenant}/${name} does not run: it is ${state ?? 'PENDING'}`, {
        reason: 'CNF_NOT_RUNNING',
      }),
    );
  }
}

const notPlaced = ({ metadata: { tenant, name } }: Workload): AppError =>
  new AppError('UNAVAILABLE', `workload ${tenant}/${name} has no DPU yet`, { reason: 'NOT_PLACED' });
