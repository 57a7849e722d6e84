import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import type { Bus } from '@outboard/bus';
import {
  AccelerationFaultRequestSchema,
  AccelerationFaultResponseSchema,
  AccelerationStatisticsRequestSchema,
  type AccelerationStatisticsResponse,
  AccelerationStatisticsResponseSchema,
  decodeBinary,
  encodeBinary,
  type InjectedFault,
  subjects,
} from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';

const DEADLINE_MILLISECONDS = 10_000;

/** Looks into the acceleration of one DPU, and breaks it on purpose: the worker itself answers. */
export class AccelerationOperator {
  constructor(
    private readonly bus: Pick<Bus, 'request'>,
    private readonly dpu: string,
    private readonly deadlineMilliseconds = DEADLINE_MILLISECONDS,
  ) {}

  /** What threads, engines and all sessions do: all pages; all but the sessions is as it was with the last of them. */
  async statistics(): Promise<Result<AccelerationStatisticsResponse, AppError>> {
    const sessions: AccelerationStatisticsResponse['sessions'] = [];
    for (let after = ''; ; ) {
      const page = await this.#ask(
        'statistics',
        AccelerationStatisticsRequestSchema,
        AccelerationStatisticsResponseSchema,
        { after },
      );
      if (!page.ok) return page;
      sessions.push(...page.value.sessions);
      after = page.value.sessions.at(-1)?.sessionUid ?? '';
      if (!page.value.more || after === '') return ok({ ...page.value, sessions, more: false });
    }
  }

  /** The faults that are in force after a command. */
  async faults(
    command: NonNullable<MessageInitShape<typeof AccelerationFaultRequestSchema>['command']>,
  ): Promise<Result<readonly InjectedFault[], AppError>> {
    const answer = await this.#ask(
      'faults',
      AccelerationFaultRequestSchema,
      AccelerationFaultResponseSchema,
      { command },
    );
    return answer.ok ? ok(answer.value.faults) : answer;
  }

  async #ask<Request extends DescMessage, Response extends DescMessage>(
    channel: 'statistics' | 'faults',
    requestSchema: Request,
    responseSchema: Response,
    request: MessageInitShape<Request>,
  ): Promise<Result<MessageShape<Response>, AppError>> {
    const body = encodeBinary(requestSchema, create(requestSchema, request));
    const reply = await this.bus.request(
      subjects.dpu(this.dpu, channel, 'acceleration'),
      { headers: {}, body },
      { deadlineMilliseconds: this.deadlineMilliseconds },
    );
    if (reply.ok) return decodeBinary(responseSchema, reply.value.body);
    if (reply.error.code !== 'UNAVAILABLE') return reply;
    return err(
      new AppError('UNAVAILABLE', `no worker of ${this.dpu} answers for acceleration`, {
        reason: 'NO_ACCELERATION',
      }),
    );
  }
}
