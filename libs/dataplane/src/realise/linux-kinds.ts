import type { ResponderSpec } from '../host-configuration/responder-spec.js';
import type { LinuxSpec } from './linux-objects.js';

/** What nftables takes in one transaction, in the order of their dependencies. */
const AT_ONCE = [
  'sender',
  'policyset',
  'policymember',
  'policycounter',
  'rulechain',
  'portchain',
  'policyport',
] as const satisfies readonly LinuxSpec['kind'][];

/**
 * In which order they are made; reversed, taken away. What nftables has comes first, as it goes by names and waits for
 * no lock: for the one of all devices somebody else may have (20 ms and more, over a move of a function into a pod). The
 * representor comes last: until then nothing of the function is heard, and it goes down first.
 */
export const LINUX_ORDER = [
  'namespace',
  'guard',
  ...AT_ONCE,
  'bridge',
  'tunnel',
  'geneve',
  'vlan',
  'veth',
  'port',
  'exit',
  'door',
  'address',
  'bridgeentry',
  'tunnelentry',
  'neighbour',
  'route',
  'rate',
  'hopexit',
  'steering',
  'closure',
  'gate',
  'responder',
  'representor',
] as const satisfies readonly LinuxSpec['kind'][];

/**
 * What redirects is behind the filters of what it redirects; and what is heard at all is redirected. And before a port's
 * devices there is time to read back what needs none.
 */
export const LINUX_READ_BACK_BEFORE: ReadonlySet<LinuxSpec['kind']> = new Set([
  'veth',
  'gate',
  'representor',
]);

export const LINUX_AT_ONCE: ReadonlySet<LinuxSpec['kind']> = new Set(AT_ONCE);

/** What a bridge knows; and that. */
export const LINUX_TOGETHER: readonly ReadonlySet<LinuxSpec['kind']>[] = [
  new Set(['bridgeentry', 'tunnelentry', 'neighbour']),
  LINUX_AT_ONCE,
];

export const LINUX_PARTS: ReadonlySet<LinuxSpec['kind']> = new Set(['policymember']);

/**
 * Removing devices blocks the kernel for 16-20 ms and more. What rules refer to goes when no rule does any more, so
 * that it has to wait for the rules that take the place of those that did.
 */
export const LINUX_SLOW_TO_REMOVE: ReadonlySet<LinuxSpec['kind']> = new Set([
  'namespace',
  'guard',
  'bridge',
  'tunnel',
  'geneve',
  'vlan',
  'veth',
  'port',
  'policyset',
  'policycounter',
  'rulechain',
  'portchain',
  'exit',
  'door',
  // Packets may be in the hop when they are not sent there any more.
  'hopexit',
]);

/** A worker that starts makes them anew. */
export const IN_PROCESS: ReadonlySet<ResponderSpec['kind']> = new Set(['responder']);
