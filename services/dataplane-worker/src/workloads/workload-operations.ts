import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import type { Bus, Endpoint, Message, Received, Subscription } from '@outboard/bus';
import {
  CnfRequestSchema,
  CnfResponseSchema,
  decodeBinary,
  encodeBinary,
  LogsRequestSchema,
  LogsResponseSchema,
  subjects,
} from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import { isJsonObject, type WorkloadHost } from '@outboard/workloads';

const OWNER = 'admin';
/** Of all workloads together; each CNF has a bound of its own, too. */
const MAX_REQUESTS = 64;
const MAX_TAIL = 1000;
/** Less than the bus keeps the permission to answer. */
const MAX_WAIT_MILLISECONDS = 5_000;

export interface WorkloadOperationsPorts {
  readonly dpu: string;
  readonly workerVersion: string;
  readonly host: Pick<WorkloadHost, 'log' | 'call' | 'tryConfiguration'>;
}

/** Lets admin read what workloads say, and call what they publish: requests on `dpu.<dpu>.logs|cnf.admin`. */
export class WorkloadOperations {
  constructor(private readonly ports: WorkloadOperationsPorts) {}

  /** A service of its own: calls of CNFs may take long, and nothing else waits for them. */
  serve(bus: Bus): Promise<Subscription> {
    const { dpu, workerVersion } = this.ports;
    return bus.serve({
      name: 'workload-host',
      version: workerVersion,
      description: `workloads of ${dpu}`,
      endpoints: this.#endpoints,
      maxInFlight: MAX_REQUESTS,
    });
  }

  get #endpoints(): readonly Endpoint[] {
    const { dpu } = this.ports;
    return [
      {
        name: 'logs-admin',
        subject: subjects.dpu(dpu, 'logs', OWNER),
        handle: (request) => answered(() => this.#logs(request)),
      },
      {
        name: 'cnf-admin',
        subject: subjects.dpu(dpu, 'cnf', OWNER),
        handle: (request) => answered(() => this.#cnf(request)),
      },
    ];
  }

  async #logs({ body }: Received): Promise<Result<Message, AppError>> {
    const request = decodeBinary(LogsRequestSchema, body);
    if (!request.ok) return request;
    const { workloadUid, cursor, tail, waitMilliseconds } = request.value;
    const page = await this.ports.host.log(workloadUid, {
      cursor,
      tail: Math.min(tail, MAX_TAIL),
      waitMilliseconds: Math.min(waitMilliseconds, MAX_WAIT_MILLISECONDS),
    });
    return reply(LogsResponseSchema, { ...page, lines: page.lines.map((line) => ({ ...line })) });
  }

  async #cnf({ body }: Received): Promise<Result<Message, AppError>> {
    const request = decodeBinary(CnfRequestSchema, body);
    if (!request.ok) return request;
    const { workloadUid, interface: name, operation, body: text } = request.value;
    const { host } = this.ports;
    if (operation.case === 'method') {
      const result = await host.call(workloadUid, name, operation.value, text);
      return result.ok ? reply(CnfResponseSchema, { body: result.value }) : result;
    }
    const configuration: unknown = JSON.parse(Buffer.from(text).toString('utf8'));
    if (!isJsonObject(configuration))
      return err(AppError.invalid([{ field: 'body', description: 'must be a JSON object' }]));
    const refusal = await host.tryConfiguration(workloadUid, name, configuration);
    return refusal === undefined ? reply(CnfResponseSchema, {}) : err(refusal);
  }
}

async function answered(
  answer: () => Promise<Result<Message, AppError>>,
): Promise<Result<Message, AppError>> {
  try {
    return await answer();
  } catch (failure) {
    return err(AppError.from(failure));
  }
}

const reply = <Schema extends DescMessage>(
  schema: Schema,
  value: MessageInitShape<Schema>,
): Result<Message, AppError> => ok({ headers: {}, body: encodeBinary(schema, create(schema, value)) });
