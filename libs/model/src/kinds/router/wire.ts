import { create } from '@bufbuild/protobuf';
import {
  type DpuProblem as DpuProblemMessage,
  type RouterSpec as RouterSpecMessage,
  RouterSpecSchema,
  type RouterStatus as RouterStatusMessage,
  RouterStatusSchema,
} from '@outboard/contracts';
import { equal, type Problems } from '@outboard/core';
import { all, oneOf, required } from '../../fields.js';
import { parseName } from '../../values.js';
import { DEFAULT_IP_FAMILIES } from './parse.js';
import {
  type DpuProblem,
  type ExternalGateway,
  PROBLEM_STATES,
  type RouterSpec,
  type RouterStatus,
} from './spec.js';

const parseProblemState = oneOf(PROBLEM_STATES);

/** What is so when nothing is said, is not said. */
const externalGatewayToMessage = ({ sourceNat, ipFamilies }: ExternalGateway) => ({
  sourceNat,
  ipFamilies: equal(ipFamilies, DEFAULT_IP_FAMILIES) ? [] : [...ipFamilies],
});

export const routerSpecToMessage = ({ routes, externalGateway }: RouterSpec): RouterSpecMessage =>
  create(RouterSpecSchema, {
    routes: routes.map(({ destination, nextHops }) => ({
      destination,
      nextHops: nextHops.map(({ address, weight }) => ({ address, weight })),
    })),
    ...(externalGateway && { externalGateway: externalGatewayToMessage(externalGateway) }),
  });

export function parseDpuProblems(
  messages: readonly DpuProblemMessage[],
  problems: Problems,
): readonly DpuProblem[] | undefined {
  const found = messages.map(({ dpu, object, state, message }, index) => {
    const field = `status.problems[${index}]`;
    const name = required(problems, `${field}.dpu`, dpu, parseName);
    const parsed = required(problems, `${field}.state`, state, parseProblemState);
    return name && parsed && { dpu: name, object, state: parsed, message };
  });
  return all(found);
}

export function parseRouterStatus(
  message: RouterStatusMessage = create(RouterStatusSchema),
  problems: Problems,
): Omit<RouterStatus, 'conditions'> | undefined {
  const dpuProblems = parseDpuProblems(message.problems, problems);
  const { observedGeneration, networks, dpus } = message;
  return dpuProblems && { observedGeneration, networks, dpus, problems: dpuProblems };
}

export const routerStatusToMessage = ({
  observedGeneration,
  networks,
  dpus,
  problems,
}: RouterStatus): RouterStatusMessage =>
  create(RouterStatusSchema, {
    observedGeneration,
    networks,
    dpus,
    problems: problems.map((problem) => ({ ...problem })),
  });
