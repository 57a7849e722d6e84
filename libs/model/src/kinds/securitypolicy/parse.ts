import { create } from '@bufbuild/protobuf';
import {
  type SecurityPolicySpec as SecurityPolicySpecMessage,
  SecurityPolicySpecSchema,
  type SecurityRule as SecurityRuleMessage,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, atMost, distinct, oneOf, optional, required } from '../../fields.js';
import { parseLabelSelectorMessage } from '../../label-selector.js';
import { type Name, parseName } from '../../values.js';
import { parsePeer } from './parse-peer.js';
import { parseService } from './parse-service.js';
import {
  DIRECTIONS,
  type Direction,
  RULE_ACTIONS,
  type RuleAction,
  type SecurityPolicySpec,
  type SecurityRule,
  TIERS,
  type Tier,
} from './spec.js';

export const MAX_PRIORITY = 1000;
/** Of one direction. */
export const MAX_RULES = 64;
export const MAX_PEERS = 16;
export const MAX_SERVICES = 32;
/** Pairs of a peer and a service in all rules of a policy: what a dataplane without sets of both has to compare. */
export const MAX_MATCHES = 512;

const parseTier = oneOf(TIERS);
const parseDirection = oneOf(DIRECTIONS);

/** A DEFAULT policy isolates, so that it has nothing to deny; only ADMIN comes before another tier. */
const ACTIONS_OF: Readonly<Record<Tier, readonly RuleAction[]>> = {
  ADMIN: RULE_ACTIONS,
  DEFAULT: ['ALLOW'],
  BASELINE: ['ALLOW', 'DENY'],
};

export function parseSecurityPolicySpec(
  message: SecurityPolicySpecMessage = create(SecurityPolicySpecSchema),
  problems: Problems,
): SecurityPolicySpec | undefined {
  const tier = message.tier === '' ? 'DEFAULT' : required(problems, 'spec.tier', message.tier, parseTier);
  if (tier !== undefined) checkPriority(tier, message.priority, problems);
  const selector =
    message.portSelector && parseLabelSelectorMessage(message.portSelector, 'spec.portSelector', problems);
  const isolates = parseIsolates(message, tier, problems);
  const ingress = parseRules(message.ingress, 'INGRESS', tier, problems);
  const egress = parseRules(message.egress, 'EGRESS', tier, problems);
  if (tier === undefined || isolates === undefined || ingress === undefined || egress === undefined) {
    return undefined;
  }
  checkMatches([...ingress, ...egress], problems);
  return { tier, priority: message.priority, portSelector: selector, isolates, ingress, egress };
}

function checkPriority(tier: Tier, priority: number | undefined, problems: Problems): void {
  const field = 'spec.priority';
  if (tier === 'DEFAULT') {
    if (priority !== undefined) problems.add(field, 'must be absent in DEFAULT, whose policies add up');
  } else if (priority === undefined) problems.add(field, `is required in ${tier}`);
  else if (priority > MAX_PRIORITY) problems.add(field, `must be 0 to ${MAX_PRIORITY}`);
}

function parseIsolates(
  { isolates, egress }: SecurityPolicySpecMessage,
  tier: Tier | undefined,
  problems: Problems,
): readonly Direction[] | undefined {
  const field = 'spec.isolates';
  if (isolates.length === 0) {
    if (tier !== 'DEFAULT') return [];
    return egress.length === 0 ? ['INGRESS'] : DIRECTIONS;
  }
  if (tier !== undefined && tier !== 'DEFAULT') problems.add(field, 'must be absent except in DEFAULT');
  distinct(
    problems,
    isolates,
    (direction) => direction,
    (index) => `${field}[${index}]`,
  );
  const parsed = all(
    isolates.map((text, index) => required(problems, `${field}[${index}]`, text, parseDirection)),
  );
  return parsed && DIRECTIONS.filter((direction) => parsed.includes(direction));
}

function parseRules(
  messages: readonly SecurityRuleMessage[],
  direction: Direction,
  tier: Tier | undefined,
  problems: Problems,
): readonly SecurityRule[] | undefined {
  const field = `spec.${direction.toLowerCase()}`;
  if (!atMost(problems, field, messages, MAX_RULES)) return undefined;
  const rules = all(
    messages.map((message, index) =>
      parseRule(message, `${field}[${index}]`, index, direction, tier, problems),
    ),
  );
  if (rules !== undefined) {
    distinct(
      problems,
      rules,
      ({ name }) => name,
      (index) => `${field}[${index}].name`,
    );
  }
  return rules;
}

function parseRule(
  message: SecurityRuleMessage,
  field: string,
  position: number,
  direction: Direction,
  tier: Tier | undefined,
  problems: Problems,
): SecurityRule | undefined {
  const name = optional(problems, `${field}.name`, message.name, parseName) ?? (`rule-${position}` as Name);
  const parseAction = oneOf(tier === undefined ? RULE_ACTIONS : ACTIONS_OF[tier]);
  const action = optional(problems, `${field}.action`, message.action, parseAction) ?? 'ALLOW';
  atMost(problems, `${field}.peers`, message.peers, MAX_PEERS);
  const peers = all(
    message.peers.map((peer, index) => parsePeer(peer, `${field}.peers[${index}]`, problems)),
  );
  atMost(problems, `${field}.services`, message.services, MAX_SERVICES);
  const services = all(
    message.services.map((service, index) => parseService(service, `${field}.services[${index}]`, problems)),
  );
  if (peers === undefined || services === undefined) return undefined;
  const rule = { name, action, peers, services };
  if (direction === 'EGRESS') checkPortNames(rule, field, problems);
  return rule;
}

/** Of what is no port of the tenant nobody knows what it calls its ports. */
function checkPortNames({ peers, services }: SecurityRule, field: string, problems: Problems): void {
  if (peers.length > 0 && peers.every(({ kind }) => kind === 'ports')) return;
  for (const [index, service] of services.entries()) {
    if (!('ports' in service) || service.ports === undefined || !('name' in service.ports)) continue;
    problems.add(
      `${field}.services[${index}].portName`,
      'needs peers that are all given by portSelector: only ports have named ports',
    );
  }
}

function checkMatches(rules: readonly SecurityRule[], problems: Problems): void {
  const matches = rules.reduce(
    (sum, { peers, services }) => sum + Math.max(1, peers.length) * Math.max(1, services.length),
    0,
  );
  if (matches > MAX_MATCHES) {
    problems.add('spec', `must have at most ${MAX_MATCHES} pairs of a peer and a service, not ${matches}`);
  }
}
