import { create } from '@bufbuild/protobuf';
import type { Endpoint, Message, Received } from '@outboard/bus';
import {
  CountersRequestSchema,
  CountersResponseSchema,
  decodeBinary,
  encodeBinary,
  subjects,
} from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import { countsOfPolicy, type Driver, type Spec } from '@outboard/dataplane/contract';

/** Tells owners what the rules of their policies have decided on: requests on `dpu.<dpu>.counters.<owner>`. */
export class RuleCounters {
  constructor(
    private readonly dpu: string,
    private readonly owners: readonly string[],
    private readonly driver: Pick<Driver<Spec>, 'ruleCounters'>,
  ) {}

  get endpoints(): readonly Endpoint[] {
    return this.owners.map((owner) => ({
      name: `counters-${owner}`,
      subject: subjects.dpu(this.dpu, 'counters', owner),
      handle: (request) => this.#count(request),
    }));
  }

  async #count({ body }: Received): Promise<Result<Message, AppError>> {
    const request = decodeBinary(CountersRequestSchema, body);
    if (!request.ok) return request;
    const { policyUid } = request.value;
    if (policyUid === '') return err(AppError.invalid([{ field: 'policyUid', description: 'is required' }]));
    try {
      const counts = countsOfPolicy(await this.driver.ruleCounters(), policyUid);
      const rules = counts.map(({ direction, ...count }) => ({
        ...count,
        direction: direction.toUpperCase(),
      }));
      const response = create(CountersResponseSchema, { rules });
      return ok({ headers: {}, body: encodeBinary(CountersResponseSchema, response) });
    } catch (failure) {
      return err(AppError.from(failure));
    }
  }
}
