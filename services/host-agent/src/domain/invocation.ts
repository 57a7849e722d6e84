import { Problems } from '@outboard/core';
import { CNI_CODE, CniError } from './cni-error.js';

export const COMMANDS = ['ADD', 'DEL', 'CHECK', 'STATUS', 'GC', 'VERSION'] as const;
export type Command = (typeof COMMANDS)[number];

/** What a runtime says in environment variables (CNI specification, section "Parameters"). */
export interface Invocation {
  readonly command: Command;
  /** Of ADD, CHECK and DEL; else empty. */
  readonly containerId: string;
  readonly ifname: string;
  /** Path of the network namespace; empty for verbs that have no use for it, as DEL. */
  readonly netns: string;
  /** The runtime allows a namespace that is the agent's own. */
  readonly netnsOverride: boolean;
  /** CNI_ARGS. */
  readonly args: ReadonlyMap<string, string>;
  /** W3C trace context, as libcni passes it on. */
  readonly traceparent: string | undefined;
}

type Parameter = 'CNI_CONTAINERID' | 'CNI_NETNS' | 'CNI_IFNAME';

/** What each verb must have. A runtime that has lost the namespace still deletes. */
const REQUIRED: Readonly<Record<Command, readonly Parameter[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  STATUS: [],
  GC: [],
  VERSION: [],
};

const MAX_CONTAINER_ID = 256;
const CONTAINER_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** IFNAMSIZ of linux/if.h less the terminating zero; dev_valid_name() refuses the rest. */
const IFNAME = /^(?!\.{1,2}$)[^/:\s]{1,15}$/;
const MAX_PATH = 4096;
const MAX_ARGS = 64;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Throws CniError 4 with everything that is wrong. */
export function parseInvocation(environment: ReadonlyMap<string, string>): Invocation {
  const problems = new Problems();
  const variable = (name: string): string => environment.get(name) ?? '';
  const command = COMMANDS.find((each) => each === variable('CNI_COMMAND'));
  if (command === undefined) problems.add('CNI_COMMAND', `must be one of ${COMMANDS.join(', ')}`);
  const required = command === undefined ? [] : REQUIRED[command];
  for (const name of required) if (variable(name) === '') problems.add(name, 'must be set');
  // What a verb has no use for is not looked at: VERSION gets dummies.
  const isUsed = (name: string): boolean =>
    variable(name) !== '' && (command === 'ADD' || command === 'CHECK' || command === 'DEL');
  const containerId = isUsed('CNI_CONTAINERID') ? variable('CNI_CONTAINERID') : '';
  const ifname = isUsed('CNI_IFNAME') ? variable('CNI_IFNAME') : '';
  // A DEL goes by what ADD has noted: one that is refused would keep the pod's sandbox for ever.
  const netns = command !== 'DEL' && isUsed('CNI_NETNS') ? variable('CNI_NETNS') : '';
  if (containerId !== '' && !(CONTAINER_ID.test(containerId) && containerId.length <= MAX_CONTAINER_ID)) {
    problems.add(
      'CNI_CONTAINERID',
      `must match ${CONTAINER_ID.source}, at most ${MAX_CONTAINER_ID} characters`,
    );
  }
  if (ifname !== '' && !IFNAME.test(ifname)) {
    problems.add('CNI_IFNAME', 'must be 1-15 characters without /, : and spaces, and neither . nor ..');
  }
  if (netns !== '' && !(netns.startsWith('/') && netns.length <= MAX_PATH)) {
    problems.add('CNI_NETNS', 'must be an absolute path');
  }
  const args = command === 'ADD' ? parseArgs(variable('CNI_ARGS'), problems) : new Map<string, string>();
  if (command === undefined || problems.total > 0) {
    throw CniError.of(CNI_CODE.INVALID_ENVIRONMENT, 'environment', problems);
  }
  const traceparent = variable('TRACEPARENT');
  return {
    command,
    containerId,
    ifname,
    netns,
    netnsOverride: ['1', 'true'].includes(variable('CNI_NETNS_OVERRIDE').toLowerCase()),
    args,
    traceparent: TRACEPARENT.test(traceparent) ? traceparent : undefined,
  };
}

/** `KEY=VALUE;KEY=VALUE`. */
function parseArgs(text: string, problems: Problems): ReadonlyMap<string, string> {
  const args = new Map<string, string>();
  if (text === '') return args;
  const pairs = text.split(';');
  if (pairs.length > MAX_ARGS) {
    problems.add('CNI_ARGS', `must have at most ${MAX_ARGS} pairs, not ${pairs.length}`);
    return args;
  }
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1)
      problems.add(
        'CNI_ARGS',
        `must be KEY=VALUE pairs joined by semicolons; ${JSON.stringify(pair)} is none`,
      );
    else args.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return args;
}
