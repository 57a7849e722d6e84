import type { AddressGroup, RuleSet } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject, Realisation, Resolve } from '../../driver.js';
import {
  closedRules,
  groupsOf,
  type ParsedRule,
  type ParsedService,
  POLICY_DIRECTIONS,
  type PolicyDirection,
  PROTOCOL,
  parseRules,
  type RuleAction,
  resolveGroups,
} from '../../realise/parse-rule.js';
import { ruleCounterName, rulesVersion } from '../../realise/policy-names.js';
import { ROUTER_KEY } from '../../realise/realise-route.js';
import type { Action } from '../openflow/actions.js';
import type { Match } from '../openflow/fields.js';
import { flowObject } from './members.js';
import {
  ALLOWED,
  DENIED,
  identity,
  type OvsSpec,
  PASSED,
  PIPELINE_KEY,
  segmentPlace,
  TABLE,
  UNDECIDED,
} from './ovs-objects.js';
import { IN_CONNECTION, IS } from './pipeline.js';
import { portBlocks } from './port-ranges.js';
import { type AskedSet, groupSetKey, NOT_FOUND, namedPortSet, namedSetKey, peerSet } from './sets.js';

type Objects = readonly DriverObject<OvsSpec>[];

/** Bits of xreg4, which has the answers that the rules of a segment ask for. */
const ANSWERS = 64;
/** Sets that one segment asks: more would not fit into a flow's actions. */
const LOOKUPS = 1000;
/** Flows of one direction of a policy. */
const MAX_FLOWS = 10_000;

const VERDICT: Readonly<Record<RuleAction, string>> = { ALLOW: ALLOWED, DENY: DENIED, PASS: PASSED };

/** By what a policy is asked in a direction, as long as it says that. */
export const policyNumber = (direction: PolicyDirection, set: RuleSet, router: string): string =>
  identity('policy', direction, set.policyUid, router, rulesVersion(set, direction));

export const policyPlace = (policy: string) => ({
  table: TABLE.POLICIES,
  priority: 10,
  match: { xreg1: policy, xreg7: UNDECIDED },
});

/** Counts what is looked up under its number; the note is its name. */
export const counterObject = (number: string, name: string, when: Match = {}): DriverObject<OvsSpec> =>
  flowObject(TABLE.VERDICTS, 10, { xreg1: number, ...when }, [{ note: name }], []);

/**
 * A policy in each direction: segments of rules, whose number is that of what they say, and one flow that names the
 * segments. A change of rules makes another policy beside it, and is in force for a port with the one flow of its chain.
 */
export function policyObjects(
  set: RuleSet,
  resolve: Resolve,
  routerOf: (key: string) => string,
): Realisation<OvsSpec> {
  const references = groupsOf(set);
  const known = resolveGroups(references, resolve);
  if (known.kind === 'missing') return { kind: 'missing', dependency: known.key, references };
  const problems = new Problems();
  if (!ROUTER_KEY.test(set.router)) problems.add('router', 'must be the key of a Router');
  const objects = POLICY_DIRECTIONS.flatMap((direction) =>
    directionObjects(set, direction, routerOf(set.router), known.groups, problems),
  );
  if (problems.total > 0) throw problems.toError();
  const unique = [...new Map(objects.map((object) => [object.key, object])).values()];
  return { kind: 'realised', objects: unique, references };
}

function directionObjects(
  set: RuleSet,
  direction: PolicyDirection,
  router: string,
  groups: ReadonlyMap<string, AddressGroup>,
  problems: Problems,
): Objects {
  const rules = parseRules(set, direction, groups, problems);
  if (rules.length === 0) return [];
  const counterOf = ({ name }: ParsedRule): string =>
    identity('rule', direction, set.policyUid, router, name);
  const counters = rules.map((rule) =>
    counterObject(counterOf(rule), ruleCounterName(direction, set.policyUid, rule.name)),
  );
  for (const [index, rule] of rules.entries()) {
    const questions = [...questionsOf(rule, router).values()];
    if (questions.length > ANSWERS || questions.flat().length > LOOKUPS)
      problems.add(`${direction}[${index}]`, `must have at most ${ANSWERS} named ports and ${LOOKUPS} peers`);
  }
  const open = askingObjects(rules, router, counterOf);
  const closed = closedRules(rules);
  // It stands by, so that one flow puts it in force.
  const standBy = closed && askingObjects(closed.rules, router, counterOf);
  const objects = [...counters, ...open.objects, ...(standBy?.objects ?? [])];
  if (objects.length > MAX_FLOWS)
    problems.add(direction, `must be at most ${MAX_FLOWS} flows, not ${objects.length}`);
  const { table, priority, match } = policyPlace(policyNumber(direction, set, router));
  const after = [PIPELINE_KEY, ...objects.map(({ key }) => key)];
  const policy = flowObject(table, priority, match, open.ask, after);
  if (closed === undefined || standBy === undefined) return [...objects, policy];
  const without = [
    ...closed.groups.map(groupSetKey),
    ...closed.namedPorts.map(({ protocol, portName }) => namedSetKey(router, protocol, portName)),
  ];
  return [
    ...objects,
    { ...policy, closed: { without, spec: { ...policy.spec, actions: standBy.ask } as OvsSpec } },
  ];
}

/** The segments of some rules, and what asks them. */
function askingObjects(
  rules: readonly ParsedRule[],
  router: string,
  counterOf: (rule: ParsedRule) => string,
): { ask: readonly Action[]; objects: Objects } {
  const segments = segmentsOf(rules, router).map((segment) => segmentObjects(segment, counterOf));
  return {
    ask: segments.flatMap(({ number }): Action[] => [
      { set: 'xreg1', to: number },
      { resubmit: TABLE.SEGMENTS },
    ]),
    objects: segments.flatMap((segment) => segment.objects),
  };
}

/** Rules that follow each other, and the questions that they ask: each is whether one of some sets has the connection. */
interface Segment {
  readonly rules: { readonly rule: ParsedRule; readonly flows: readonly Match[] }[];
  readonly questions: Map<string, readonly AskedSet[]>;
}

function segmentsOf(rules: readonly ParsedRule[], router: string): Segment[] {
  const segments: Segment[] = [];
  let lookups = 0;
  for (const rule of rules) {
    const asked = questionsOf(rule, router);
    const fresh = [...asked].filter(([question]) => !segments.at(-1)?.questions.has(question));
    const more = fresh.reduce((count, [, sets]) => count + sets.length, 0);
    let segment = segments.at(-1);
    if (!segment || segment.questions.size + fresh.length > ANSWERS || lookups + more > LOOKUPS) {
      segment = { rules: [], questions: new Map() };
      segments.push(segment);
      lookups = 0;
    }
    for (const [question, sets] of asked) {
      if (segment.questions.has(question)) continue;
      segment.questions.set(question, sets);
      lookups += sets.length;
    }
    const bits = new Map([...segment.questions.keys()].map((question, bit) => [question, bit]));
    segment.rules.push({ rule, flows: matchesOf(rule, router, (question) => bits.get(question) ?? 0) });
  }
  return segments;
}

const peersQuestion = ({ peers }: ParsedRule): readonly AskedSet[] => peers.map(peerSet);
const questionName = (sets: readonly AskedSet[]): string => sets.map(({ number }) => number).join(' ');

function questionsOf(rule: ParsedRule, router: string): Map<string, readonly AskedSet[]> {
  const all = [
    ...(rule.peers.length > 0 ? [peersQuestion(rule)] : []),
    ...rule.services.flatMap((service) =>
      service.kind === 'named' ? [[namedPortSet(router, service.protocol, service.portName)]] : [],
    ),
  ];
  return new Map(all.map((sets) => [questionName(sets), sets]));
}

/** What a connection is like that a rule means: one of these. */
function matchesOf(rule: ParsedRule, router: string, bitOf: (question: string) => number): Match[] {
  const answered = (...questions: (readonly AskedSet[])[]): Match => {
    const bits = questions.reduce((all, each) => all | (1n << BigInt(bitOf(questionName(each)))), 0n);
    const text = `0x${bits.toString(16).padStart(16, '0')}`;
    return bits === 0n ? {} : { xreg4: `${text}/${text}` };
  };
  const peers = rule.peers.length > 0 ? [peersQuestion(rule)] : [];
  if (rule.services.length === 0) return [answered(...peers)];
  return rule.services.flatMap((service): Match[] =>
    service.kind === 'named'
      ? [answered(...peers, [namedPortSet(router, service.protocol, service.portName)])]
      : serviceMatches(service).map((match) => ({ ...answered(...peers), ...match })),
  );
}

function serviceMatches(service: Exclude<ParsedService, { kind: 'named' }>): Match[] {
  if (service.kind === 'ports') {
    const match: Match = { ...IN_CONNECTION, ct_nw_proto: service.protocol };
    const families = [IS.ipv4, IS.ipv6].map((family) => ({ ...family, ...match }));
    if (service.ports === undefined) return families;
    const blocks = portBlocks(...service.ports);
    return families.flatMap((family) => blocks.map((block) => ({ ...family, ct_tp_dst: block })));
  }
  // The opening packet's type and code stand where others have ports.
  const { family, type, code } = service;
  return [
    {
      ...IN_CONNECTION,
      ...(family === 4 ? IS.ipv4 : IS.ipv6),
      ct_nw_proto: family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPv6,
      ...(type === undefined ? {} : { ct_tp_src: type }),
      ...(code === undefined ? {} : { ct_tp_dst: code }),
    },
  ];
}

function segmentObjects(
  { rules, questions }: Segment,
  counterOf: (rule: ParsedRule) => string,
): { number: string; objects: Objects } {
  const asked = [...questions.values()];
  const ends = rules.map(({ rule }): readonly Action[] => [
    { set: 'xreg7', to: VERDICT[rule.action] },
    { set: 'xreg1', to: counterOf(rule) },
    { goto: TABLE.VERDICTS },
  ]);
  const ask = asked.flatMap((sets, bit): Action[] => [
    NOT_FOUND,
    ...sets.flatMap(({ number }): Action[] => [{ set: 'xreg1', to: number }, { resubmit: TABLE.SETS }]),
    { copyBit: 'xreg5', into: 'xreg4', bit },
  ]);
  const content = JSON.stringify([ask, rules.map(({ flows }, index) => [flows, ends[index]])]);
  const number = identity('segment', content);
  const own = asked.flat().flatMap(({ objects }) => objects);
  const ruleFlows = rules.flatMap(({ flows }, index) =>
    flows.map((match) =>
      flowObject(TABLE.RULES, rules.length - index, { xreg1: number, ...match }, ends[index] ?? [], []),
    ),
  );
  const { table, priority, match } = segmentPlace(number);
  const actions: readonly Action[] = [...ask, { set: 'xreg1', to: number }, { goto: TABLE.RULES }];
  const segment = flowObject(table, priority, match, actions, [PIPELINE_KEY, ...own.map(({ key }) => key)]);
  return { number, objects: [...own, segment, ...ruleFlows] };
}
