import { create } from '@bufbuild/protobuf';
import {
  type ServiceChainDestination as DestinationMessage,
  type ServiceChainHop as HopMessage,
  ServiceChainDestinationSchema,
  type ServiceChainSpec as ServiceChainSpecMessage,
  ServiceChainSpecSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, atMost, distinct, oneOf, optional, required } from '../../fields.js';
import { parseIpPrefix, prefixesOverlap } from '../../ip.js';
import { parseLabelSelectorMessage } from '../../label-selector.js';
import { parseName } from '../../values.js';
import {
  FAILURE_MODES,
  type ServiceChainDestination,
  type ServiceChainHop,
  type ServiceChainSpec,
} from './spec.js';

const MAX_CHAIN_HOPS = 8;
const MAX_CHAIN_PORTS = 256;
const MAX_CHAIN_CIDRS = 64;

export function parseServiceChainSpec(
  message: ServiceChainSpecMessage = create(ServiceChainSpecSchema),
  problems: Problems,
): ServiceChainSpec | undefined {
  const { portSelector: selector } = message;
  atMost(problems, 'spec.ports', message.ports, MAX_CHAIN_PORTS);
  const ports = all(
    message.ports.map((text, index) => required(problems, `spec.ports[${index}]`, text, parseName)),
  );
  distinct(
    problems,
    message.ports,
    (port) => port,
    (index) => `spec.ports[${index}]`,
  );
  if (message.ports.length === 0 && selector === undefined)
    problems.add('spec.ports', 'is required where spec.portSelector is absent');
  const portSelector = selector && parseLabelSelectorMessage(selector, 'spec.portSelector', problems);
  const destination = parseDestination(message.destination, problems);
  const hops = parseHops(message.hops, problems);
  const mode = optional(problems, 'spec.failureMode', message.failureMode, oneOf(FAILURE_MODES));
  if (ports === undefined || destination === undefined || hops === undefined) return undefined;
  checkSteered({ ports, hops }, problems);
  return { ports, portSelector, destination, hops, failureMode: mode ?? 'FAIL_CLOSED' };
}

function parseDestination(
  { network, cidrs, external }: DestinationMessage = create(ServiceChainDestinationSchema),
  problems: Problems,
): ServiceChainDestination | undefined {
  const field = 'spec.destination';
  const given = [network !== '', cidrs.length > 0, external].filter(Boolean).length;
  if (given !== 1) {
    problems.add(field, 'must have exactly one of network, cidrs and external');
    return undefined;
  }
  if (external) return { kind: 'external' };
  if (network !== '') {
    const name = required(problems, `${field}.network`, network, parseName);
    return name && { kind: 'network', network: name };
  }
  if (!atMost(problems, `${field}.cidrs`, cidrs, MAX_CHAIN_CIDRS)) return undefined;
  const parsed = all(
    cidrs.map((text, index) => required(problems, `${field}.cidrs[${index}]`, text, parseIpPrefix)),
  );
  for (const [index, cidr] of parsed?.entries() ?? []) {
    const other = parsed?.findIndex((each) => prefixesOverlap(each, cidr)) ?? index;
    if (other < index) problems.add(`${field}.cidrs[${index}]`, `must not overlap cidrs[${other}]`);
  }
  return parsed && { kind: 'cidrs', cidrs: parsed };
}

function parseHops(
  messages: readonly HopMessage[],
  problems: Problems,
): readonly ServiceChainHop[] | undefined {
  const field = 'spec.hops';
  if (messages.length === 0) problems.add(field, 'is required');
  if (!atMost(problems, field, messages, MAX_CHAIN_HOPS)) return undefined;
  const hops = all(
    messages.map((message, index): ServiceChainHop | undefined => {
      const own = `${field}[${index}]`;
      const name = required(problems, `${own}.name`, message.name, parseName);
      const ingressPort = required(problems, `${own}.ingressPort`, message.ingressPort, parseName);
      const egressPort =
        optional(problems, `${own}.egressPort`, message.egressPort, parseName) ?? ingressPort;
      if (name === undefined || ingressPort === undefined || egressPort === undefined) return undefined;
      return { name, ingressPort, egressPort };
    }),
  );
  distinct(
    problems,
    messages,
    ({ name }) => name,
    (index) => `${field}[${index}].name`,
  );
  return hops;
}

/** A port that packets come out of tells where in the chain they are: it is in one place of it, and not at its beginning. */
function checkSteered({ ports, hops }: Pick<ServiceChainSpec, 'ports' | 'hops'>, problems: Problems): void {
  const seen = new Map<string, string>();
  for (const [index, { ingressPort, egressPort }] of hops.entries()) {
    const own = [
      ['ingressPort', ingressPort],
      ...(egressPort === ingressPort ? [] : [['egressPort', egressPort] as const]),
    ] as const;
    for (const [which, port] of own) {
      const field = `spec.hops[${index}].${which}`;
      const before = seen.get(port);
      if (before !== undefined)
        problems.add(field, `must not be a port of the chain twice, as it is ${before}`);
      else seen.set(port, field);
    }
  }
  for (const [index, port] of ports.entries()) {
    const hop = seen.get(port);
    if (hop !== undefined)
      problems.add(`spec.ports[${index}]`, `must not be a port of a hop, as it is ${hop}`);
  }
}
