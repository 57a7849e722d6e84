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
import { countsOfChain, countsOfPolicy, type Driver, type Spec } from '@outboard/dataplane/contract';

/** Tells owners what the rules of their policies have decided on, and what the hops of their chains were given: requests on `dpu.<dpu>.counters.<owner>`. */
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
    const { policyUid, chainUid, hops } = request.value;
    if ((policyUid === '') === (chainUid === ''))
      return err(AppError.invalid([{ field: 'policyUid', description: 'is required, or chainUid' }]));
    try {
      const counters = await this.driver.ruleCounters();
      const counts =
        policyUid === ''
          ? { hops: told(countsOfChain(counters, chainUid, hops)) }
          : { rules: told(countsOfPolicy(counters, policyUid)) };
      const response = create(CountersResponseSchema, counts);
      return ok({ headers: {}, body: encodeBinary(CountersResponseSchema, response) });
    } catch (failure) {
      return err(AppError.from(failure));
    }
  }
}

const told = <Count extends { readonly direction: string }>(counts: readonly Count[]): Count[] =>
  counts.map((count) => ({ ...count, direction: count.direction.toUpperCase() }));
