import { create } from '@bufbuild/protobuf';
import { type DataPath, type Fault, isAlgorithm, operationsOf } from '@outboard/acceleration';
import type { Endpoint, Message, Received } from '@outboard/bus';
import {
  type AccelerationFault,
  AccelerationFault_Kind,
  AccelerationFaultRequestSchema,
  AccelerationFaultResponseSchema,
  AccelerationStatisticsRequestSchema,
  AccelerationStatisticsResponseSchema,
  decodeBinary,
  encodeBinary,
  subjects,
} from '@outboard/contracts';
import { AppError, type Clock, err, ok, Problems, type Result } from '@outboard/core';
import { injectedFault, statistics } from './activity-wire.js';
import { readOperation } from './wire.js';

const OWNER = 'acceleration';
const MAXIMUM_PAGE = 500;
const MAXIMUM_JOBS = 1_000_000;
const MAXIMUM_DELAY_MILLISECONDS = 10_000;

export interface OperationsPorts {
  readonly dpu: string;
  readonly incarnation: string;
  readonly dataPath: Pick<DataPath, 'activity' | 'inject' | 'clearFaults' | 'faults'>;
  readonly clock: Clock;
  /** Whether jobs may be made to go wrong on purpose. */
  readonly injectsFaults: boolean;
}

/** Lets operators look into the data path, and break it on purpose: requests on `dpu.<dpu>.statistics|faults.acceleration`. */
export class AccelerationOperations {
  constructor(private readonly ports: OperationsPorts) {}

  get endpoints(): readonly Endpoint[] {
    const { dpu } = this.ports;
    return [
      {
        name: 'statistics-acceleration',
        subject: subjects.dpu(dpu, 'statistics', OWNER),
        handle: (request) => answered(() => this.#statistics(request)),
      },
      {
        name: 'faults-acceleration',
        subject: subjects.dpu(dpu, 'faults', OWNER),
        handle: (request) => answered(() => this.#faults(request)),
      },
    ];
  }

  async #statistics({ body }: Received): Promise<Result<Message, AppError>> {
    const request = decodeBinary(AccelerationStatisticsRequestSchema, body);
    if (!request.ok) return request;
    const { after, pageSize } = request.value;
    const { incarnation, injectsFaults, clock, dataPath } = this.ports;
    const activity = await dataPath.activity();
    const rest = [...activity.sessions]
      .filter(({ sessionUid }) => sessionUid > after)
      .sort((left, right) => (left.sessionUid < right.sessionUid ? -1 : 1));
    const page = rest.slice(0, Math.min(pageSize || MAXIMUM_PAGE, MAXIMUM_PAGE));
    const response = statistics(activity, page, {
      incarnation,
      injectsFaults,
      monotonicMicroseconds: BigInt(Math.round(clock.monotonic() * 1000)),
      more: page.length < rest.length,
    });
    return ok({ headers: {}, body: encodeBinary(AccelerationStatisticsResponseSchema, response) });
  }

  async #faults({ body }: Received): Promise<Result<Message, AppError>> {
    const request = decodeBinary(AccelerationFaultRequestSchema, body);
    if (!request.ok) return request;
    const { injectsFaults, dataPath } = this.ports;
    if (!injectsFaults)
      return err(new AppError('FAILED_PRECONDITION', 'this worker was not started to inject faults'));
    const { command } = request.value;
    switch (command.case) {
      case 'inject': {
        const fault = readFault(command.value);
        if (!fault.ok) return fault;
        await dataPath.inject(fault.value);
        break;
      }
      case 'clear':
        await dataPath.clearFaults(command.value.id === '' ? undefined : command.value.id);
        break;
      default:
        return err(AppError.invalid([{ field: 'command', description: 'must be inject or clear' }]));
    }
    const response = create(AccelerationFaultResponseSchema, {
      faults: dataPath.faults().map(injectedFault),
    });
    return ok({ headers: {}, body: encodeBinary(AccelerationFaultResponseSchema, response) });
  }
}

async function answered(
  action: () => Promise<Result<Message, AppError>>,
): Promise<Result<Message, AppError>> {
  try {
    return await action();
  } catch (failure) {
    return err(AppError.from(failure));
  }
}

const KINDS: Partial<Record<AccelerationFault_Kind, Fault['kind']>> = {
  [AccelerationFault_Kind.CORRUPT]: 'CORRUPT',
  [AccelerationFault_Kind.FAIL]: 'FAIL',
  [AccelerationFault_Kind.DELAY]: 'DELAY',
  [AccelerationFault_Kind.DROP]: 'DROP',
  [AccelerationFault_Kind.HANG]: 'HANG',
};

/** INVALID_ARGUMENT with every rule of acceleration_operations.proto that it breaks. */
function readFault(fault: AccelerationFault): Result<Omit<Fault, 'id'>, AppError> {
  const problems = new Problems();
  const { algorithm, module, count, delayMilliseconds } = fault;
  const interval = fault.interval || 1;
  const kind = KINDS[fault.kind];
  const operation = readOperation(fault.operation, 'operation', problems);
  if (kind === undefined) problems.add('kind', 'must be CORRUPT, FAIL, DELAY, DROP or HANG');
  if (!isAlgorithm(algorithm)) problems.add('algorithm', `${JSON.stringify(algorithm)} is no algorithm`);
  else if (!operationsOf(algorithm).includes(operation))
    problems.add('operation', `must be ${operationsOf(algorithm).join(' or ')} for ${algorithm}`);
  for (const [field, value] of Object.entries({ count, interval }))
    if (value > MAXIMUM_JOBS) problems.add(field, `must be at most ${MAXIMUM_JOBS}`);
  const isDelay = delayMilliseconds >= 1 && delayMilliseconds <= MAXIMUM_DELAY_MILLISECONDS;
  if (kind === 'DELAY' ? !isDelay : delayMilliseconds !== 0)
    problems.add(
      'delayMilliseconds',
      `must be 1 to ${MAXIMUM_DELAY_MILLISECONDS} for DELAY, and 0 for others`,
    );
  if (problems.total > 0 || kind === undefined || !isAlgorithm(algorithm)) return err(problems.toError());
  return ok({ kind, operation, algorithm, module, count, interval, delayMilliseconds });
}
