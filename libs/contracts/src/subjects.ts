import { AppError } from '@outboard/core';

/** First tokens of every subject that Outboard uses. */
export const SUBJECT_PREFIX = 'outboard.v1alpha1';

/** Stands where a resource belongs to no tenant. */
export const NO_TENANT = '_';

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** True for an RFC 1123 label: the only names that may become subject tokens. */
export const isLabel = (text: string): boolean => LABEL.test(text);

/** The rule of `isLabel` in words, for error messages. */
export const LABEL_RULE =
  'must be an RFC 1123 label: 1-63 of a-z, 0-9, - ; starting and ending with a-z or 0-9';

/** The APIs, each of which one service owns. */
export const APIS = ['admin', 'network', 'acceleration'] as const;
export type Api = (typeof APIS)[number];
export type Verb =
  | 'get'
  | 'list'
  | 'create'
  | 'update'
  | 'apply'
  | 'delete'
  | 'plan'
  | 'explain'
  | 'counters'
  | 'token'
  | 'logs';
export type Transition = 'accepted' | 'refused' | 'ready' | 'notready' | 'deleted';
export type DpuChannel =
  | 'delta'
  | 'sync'
  | 'fetch'
  | 'observed'
  | 'inventory'
  | 'heartbeat'
  | 'confirm'
  | 'inspect'
  | 'counters'
  | 'statistics'
  | 'faults'
  | 'workload'
  | 'logs'
  | 'cnf';

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

const pattern = ({ tenant, api, kind, name }: Partial<ResourceAddress>): string =>
  [tenant, api, kind, name].map((token) => (token === undefined ? '*' : tokens(token))).join('.');

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
  /** Whether only the last message of the subject counts. */
  isState: (subject: string): boolean => subject.startsWith(`${SUBJECT_PREFIX}.state.`),
  /** Filter: the states of what is given; what is absent may be anything. */
  states: (filter: Partial<ResourceAddress>): string => `${SUBJECT_PREFIX}.state.${pattern(filter)}`,
  /** Filter: all events of what is given; what is absent may be anything. */
  events: (filter: Partial<ResourceAddress>): string => `${SUBJECT_PREFIX}.event.${pattern(filter)}.*`,
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
  /** Of a testbed: what becomes of a flow that is sent for real. */
  probe: (tenant: string): string => `${SUBJECT_PREFIX}.probe.${tokens(tenant)}`,
  /** Filter: the probes of all tenants. */
  allProbes: `${SUBJECT_PREFIX}.probe.*`,
  /** A method of an interface that a CNF publishes. */
  cnf: (tenant: string, workload: string, interfaceName: string, method: string): string =>
    `${SUBJECT_PREFIX}.cnf.${tokens(tenant, workload, interfaceName, method)}`,
  /** Filter: all methods of all CNFs. */
  allCnfs: `${SUBJECT_PREFIX}.cnf.*.*.*.*`,
  dead: (originalSubject: string): string => `${SUBJECT_PREFIX}.dead.${originalSubject}`,
} as const;

/**
 * The tokens after the prefix, when there are as many as asked and each may stand in a subject. Anyone can publish on
 * `...web.0` or `...Web`: such a subject names nothing, rather than something like it.
 */
function tokensOf(subject: string, count: number): readonly string[] | undefined {
  if (!subject.startsWith(`${SUBJECT_PREFIX}.`)) return undefined;
  const found = subject.slice(SUBJECT_PREFIX.length + 1).split('.');
  return found.length === count && found.every((token) => token === NO_TENANT || isLabel(token))
    ? found
    : undefined;
}

const isApi = (token: string): token is Api => APIS.some((api) => api === token);

/** The address in an intent, event or state subject; undefined when it is not one. */
export function parseResourceSubject(subject: string): ResourceAddress | undefined {
  const isEvent = subject.startsWith(`${SUBJECT_PREFIX}.event.`);
  const [channel, tenant, api, kind, name] = tokensOf(subject, isEvent ? 6 : 5) ?? [];
  if (channel !== 'intent' && channel !== 'event' && channel !== 'state') return undefined;
  if (!tenant || !api || !isApi(api) || !kind || !name || name === NO_TENANT) return undefined;
  return { tenant, api, kind, name };
}

/** What `rpc.<tenant>.<api>.<kind>.<verb>` asks for; the resource is named in the body. */
export interface RequestAddress extends Omit<ResourceAddress, 'name'> {
  readonly verb: string;
}

/** The parts of a request's subject; undefined when it is not one. */
export function parseRequestSubject(subject: string): RequestAddress | undefined {
  const [channel, tenant, api, kind, verb] = tokensOf(subject, 5) ?? [];
  if (channel !== 'rpc' || !tenant || !api || !isApi(api) || !kind || !verb) return undefined;
  return { tenant, api, kind, verb };
}

/** The parts of `dpu.<dpu>.<channel>.<owner>`; undefined when it is not such a subject. */
export function parseDpuSubject(
  subject: string,
): { dpu: string; channel: string; owner: string } | undefined {
  const [space, dpu, channel, owner] = tokensOf(subject, 4) ?? [];
  if (space !== 'dpu' || !dpu || !channel || !owner) return undefined;
  return { dpu, channel, owner };
}

/** The tenant of `probe.<tenant>`; undefined when it is not such a subject. */
export function parseProbeSubject(subject: string): { tenant: string } | undefined {
  const [space, tenant] = tokensOf(subject, 2) ?? [];
  return space === 'probe' && tenant && tenant !== NO_TENANT ? { tenant } : undefined;
}

/** What `cnf.<tenant>.<workload>.<interface>.<method>` calls; undefined when it is not such a subject. */
export function parseCnfSubject(
  subject: string,
): { tenant: string; workload: string; interface: string; method: string } | undefined {
  const [space, tenant, workload, name, method] = tokensOf(subject, 5) ?? [];
  if (space !== 'cnf' || !tenant || tenant === NO_TENANT || !workload || !name || !method) return undefined;
  return { tenant, workload, interface: name, method };
}
