import type { Endpoint, RuleSet } from '@outboard/contracts';
import type { DriverObject } from '../../driver.js';
import { type Judgement, judgementOf } from '../../realise/judgement.js';
import { portName } from '../../realise/names.js';
import { POLICY_DIRECTIONS, type PolicyDirection } from '../../realise/parse-rule.js';
import { deniedCounterName } from '../../realise/policy-names.js';
import type { Action } from '../openflow/actions.js';
import { flowObject } from './members.js';
import { ALLOWED, flowKey, identity, type OvsSpec, PIPELINE_KEY, TABLE, UNDECIDED } from './ovs-objects.js';
import { ASKED, OUTCOME } from './pipeline.js';
import { counterObject, policyNumber, policyPlace } from './policy.js';
import type { Segment } from './segment.js';

/**
 * Who is asked about the connections of a port, one flow for each direction: its policies tier by tier, until one has
 * decided. Undefined: nobody has anything to say.
 */
export function chainObjects(
  endpoint: Endpoint,
  { router, networkUid }: Segment,
  ruleSets: readonly RuleSet[],
): readonly DriverObject<OvsSpec>[] | undefined {
  const member = identity('port', endpoint.portUid);
  const judged = POLICY_DIRECTIONS.map((direction) => judgementOf(endpoint, ruleSets, direction));
  if (judged.every((each) => each === undefined)) return undefined;
  return POLICY_DIRECTIONS.flatMap((direction, index) => {
    const judgement = judged[index];
    return judgement === undefined
      ? [chain(direction, [{ set: 'xreg7', to: ALLOWED }], [])]
      : judgedChain(direction, judgement);
  });

  function chain(
    direction: PolicyDirection,
    actions: readonly Action[],
    after: readonly string[],
  ): DriverObject<OvsSpec> {
    const match = { xreg0: member, xreg2: ASKED[direction] };
    return flowObject(TABLE.CHAINS, 10, match, actions, [PIPELINE_KEY, ...after]);
  }

  function judgedChain(direction: PolicyDirection, judgement: Judgement): DriverObject<OvsSpec>[] {
    const { admin, normal, baseline, isolated } = judgement;
    const numbersOf = (sets: readonly RuleSet[]): string[] =>
      sets.map((set) => policyNumber(direction, set, router));
    const ask = (numbers: readonly string[]): Action[] =>
      numbers.flatMap((number): Action[] => [{ set: 'xreg1', to: number }, { resubmit: TABLE.POLICIES }]);
    const conclude = (number: string): Action[] => [
      { set: 'xreg1', to: number },
      { resubmit: TABLE.VERDICTS },
    ];
    const denied = identity('denied', direction, member);
    const counters = isolated
      ? [
          counterObject(denied, deniedCounterName(direction, portName(endpoint.portUid, networkUid)), {
            xreg7: UNDECIDED,
          }),
        ]
      : [];
    const policies = [admin, normal, baseline].map(numbersOf);
    const [first = [], second = [], third = []] = policies;
    const actions = [
      ...ask(first),
      ...(first.length > 0 ? conclude(OUTCOME.RESUME) : []),
      ...ask(second),
      ...ask(third),
      ...conclude(isolated ? denied : OUTCOME.OPEN),
    ];
    const after = [
      ...policies.flat().map((number) => flowKey(policyPlace(number))),
      ...counters.map(({ key }) => key),
    ];
    return [...counters, chain(direction, actions, after)];
  }
}
