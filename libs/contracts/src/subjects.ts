import { AppError } from '@outboard/core';

/** First tokens of every subject that Outboard uses. */
export const SUBJECT_PREFIX = 'outboard.v1alpha1';

/** Stands where a resource belongs to no tenant. */
export const NO_TENANT = '_';

/** Longest tenant, resource or DPU name: an RFC 1123 label. */
export const MAX_NAME_LENGTH = 63;

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** True for an RFC 1123 label: the only names that may become subject tokens. */
export const isLabel = (text: string): boolean => LABEL.test(text);

/** The rule of `isLabel` in words, for error messages. */
export const LABEL_RULE =
  'must be an RFC 1123 label: 1-63 of a-z, 0-9, - ; starting and ending with a-z or 0-9';

export type Api = 'admin' | 'network';
export type Verb = 'get' | 'list' | 'create' | 'update' | 'apply' | 'delete' | 'plan';
export type Transition = 'accepted' | 'refused' | 'ready' | 'notready' | 'deleted';
export type DpuChannel = 'delta' | 'sync' | 'fetch' | 'observed' | 'heartbeat';

/** What a resource is addressed by. `kind` is lower case and singular on subjects (`port`). */
export interface ResourceAddress {
  readonly tenant: string;
  readonly api: Api;
  readonly kind: string;
  readonly name: string;
}

function tokens(...values: string[]): string {
  for (const value of values) {
    if (value !== NO_TENANT && !isLabel(value)) {
      throw new AppError(
        'INVALID_ARGUMENT',
        `${JSON.stringify(value)} cannot be part of a subject: ${LABEL_RULE}`,
      );
    }
  }
  return values.join('.');
}

/** The one table of subjects (shared/architecture: bus contract); documentation and permissions are made from it. */
export const subjects = {
  rpc: (tenant: string, api: Api, kind: string, verb: Verb): string =>
    `${SUBJECT_PREFIX}.rpc.${tokens(tenant, api, kind, verb)}`,
  intent: ({ tenant, api, kind, name }: ResourceAddress): string =>
    `${SUBJECT_PREFIX}.intent.${tokens(tenant, api, kind, name)}`,
  event: ({ tenant, api, kind, name }: ResourceAddress, transition: Transition): string =>
    `${SUBJECT_PREFIX}.event.${tokens(tenant, api, kind, name)}.${transition}`,
  state: ({ tenant, api, kind, name }: ResourceAddress): string =>
    `${SUBJECT_PREFIX}.state.${tokens(tenant, api, kind, name)}`,
  /** Filter: the states of a kind in all tenants, or of all kinds of an API. */
  allStates: (api: Api, kind?: string): string => `${SUBJECT_PREFIX}.state.*.${api}.${kind ?? '*'}.*`,
  /** Filter: the intents of an API in all tenants. */
  allIntents: (api: Api): string => `${SUBJECT_PREFIX}.intent.*.${api}.>`,
  /** Filter: the requests of an API in all tenants. */
  allRequests: (api: Api): string => `${SUBJECT_PREFIX}.rpc.*.${api}.>`,
  /** Filter: a channel of an owner, of all DPUs. */
  allDpus: (channel: DpuChannel, owner: string): string => `${SUBJECT_PREFIX}.dpu.*.${channel}.${owner}`,
  dpu: (dpu: string, channel: DpuChannel, owner: string): string =>
    `${SUBJECT_PREFIX}.dpu.${tokens(dpu)}.${channel}.${tokens(owner)}`,
  dead: (originalSubject: string): string => `${SUBJECT_PREFIX}.dead.${originalSubject}`,
} as const;

/** The address in an intent, event or state subject; undefined when it is not one. */
export function parseResourceSubject(subject: string): ResourceAddress | undefined {
  const [vendor, version, channel, tenant, api, kind, name] = subject.split('.');
  if (`${vendor}.${version}` !== SUBJECT_PREFIX) return undefined;
  if (channel !== 'intent' && channel !== 'event' && channel !== 'state') return undefined;
  if (api !== 'admin' && api !== 'network') return undefined;
  if (!tenant || !kind || !name) return undefined;
  return { tenant, api, kind, name };
}

/** The parts of `dpu.<dpu>.<channel>.<owner>`; undefined when it is not such a subject. */
export function parseDpuSubject(
  subject: string,
): { dpu: string; channel: string; owner: string } | undefined {
  const [vendor, version, space, dpu, channel, owner] = subject.split('.');
  if (`${vendor}.${version}` !== SUBJECT_PREFIX || space !== 'dpu' || !dpu || !channel || !owner)
    return undefined;
  return { dpu, channel, owner };
}
