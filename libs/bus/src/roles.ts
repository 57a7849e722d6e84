import { type Api, isLabel, LABEL_RULE, SUBJECT_PREFIX, subjects } from '@outboard/contracts';
import { AppError } from '@outboard/core';
import { STREAM, STREAMS } from './streams.js';

/** What one NATS user may do. Everything that is not listed is refused by the server. */
export interface Role {
  /** Of the role, its user and its credentials file: `admin`, `worker-<dpu>`, `orchestrator-<tenant>`, ... */
  readonly name: string;
  readonly purpose: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Whom it may answer: every role's requests, now and then somebody who looks for it or into it, or nobody. */
  readonly answers: 'requests' | 'discovery' | 'nothing';
}

/**
 * The first token of a role's inboxes. Nobody else may subscribe below it: with one prefix for all, everybody could
 * read everybody's replies.
 */
export const inboxPrefixOf = (role: Pick<Role, 'name'>): string => `_INBOX_${role.name}`;

const under = (subject: string): string => `${SUBJECT_PREFIX}.${subject}`;

/** The security policy that a host agent makes in a tenant, by which pods accept nothing until another one allows it. */
export const DEFAULT_DENY_POLICY = 'pod-default-deny';

/** What workers send to the owners of their documents. */
const DPU_CHANNELS = ['sync', 'fetch', 'observed', 'inventory', 'heartbeat', 'confirm', 'workload'] as const;

/** By which the owner of workloads reads what they say, and calls what they publish. */
const WORKLOAD_CHANNELS = ['logs', 'cnf'] as const;

/** By which an operator looks into the acceleration of a DPU, and breaks it on purpose where the worker allows that. */
const OPERATED_CHANNELS = ['statistics', 'faults'] as const;

const VERBS = ['PING', 'INFO', 'STATS'];
const DISCOVERY = VERBS.flatMap((verb) => [`$SRV.${verb}`, `$SRV.${verb}.>`]);

/** To be found as a service of this name (ADR-32). */
const isDiscovered = (name: string): string[] =>
  VERBS.flatMap((verb) => [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.*`]);

/** To consume as one durable with one filter: nobody can take its messages or move its filter. */
const consumes = (stream: string, durable: string, filter: string): string[] => [
  `$JS.API.CONSUMER.INFO.${stream}.${durable}`,
  `$JS.API.CONSUMER.CREATE.${stream}.${durable}.${filter}`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
  `$JS.ACK.${stream}.${durable}.>`,
];

/**
 * To watch what a filter matches, and narrower, by short-lived consumers of any name. The filter is part of the subject
 * of the creating call, and the server (2.9) refuses a call whose body asks for another one.
 */
const watches = (stream: string, filter: string): string[] => [
  `$JS.API.CONSUMER.CREATE.${stream}.*.${filter}`,
  `$JS.API.CONSUMER.INFO.${stream}.*`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
  `$JS.API.CONSUMER.DELETE.${stream}.*`,
  // Flow control of the pushing consumers that other clients use for watching.
  `$JS.FC.${stream}.>`,
];

const streamNames = STREAMS.map(({ name }) => name);
const lookAtStreams = streamNames.map((name) => `$JS.API.STREAM.INFO.${name}`);
const provisionStreams = streamNames.flatMap((name) => [
  `$JS.API.STREAM.CREATE.${name}`,
  `$JS.API.STREAM.UPDATE.${name}`,
]);

/**
 * What every service has: its own API's intents, requests, events and state, and its documents on every DPU. It may
 * read the other APIs' events and states and send them requests and intents. Each one provisions the streams, so that
 * none has to wait for another.
 */
function service(name: string, api: Api, more: Partial<Pick<Role, 'publish' | 'subscribe'>> = {}): Role {
  return {
    name,
    purpose: `the ${name} service: owns the ${api} API`,
    publish: [
      under(`event.*.${api}.>`),
      under(`state.*.${api}.>`),
      under(`dpu.*.delta.${api}`),
      under(`dpu.*.inspect.${api}`),
      under(`dpu.*.counters.${api}`),
      subjects.dead(subjects.allIntents(api)),
      under('rpc.>'),
      under('intent.>'),
      ...consumes(STREAM.intent.name, `${api}-intents`, subjects.allIntents(api)),
      ...watches(STREAM.event.name, under('event.>')),
      ...watches(STREAM.state.name, under('state.>')),
      ...lookAtStreams,
      ...provisionStreams,
      // Its own tombstones, when everybody has had time to see them.
      `$JS.API.STREAM.MSG.DELETE.${STREAM.state.name}`,
      ...DISCOVERY,
      ...(more.publish ?? []),
    ],
    subscribe: [
      ...(more.subscribe ?? []),
      `${inboxPrefixOf({ name })}.>`,
      subjects.allRequests(api),
      ...DPU_CHANNELS.map((channel) => subjects.allDpus(channel, api)),
      under('event.>'),
      under('state.>'),
      '$SRV.>',
    ],
    answers: 'requests',
  };
}

/** The roles of an installation. Names of DPUs and tenants must be RFC 1123 labels: they become tokens of subjects. */
export const roles = {
  /** It answers for CNFs: a worker that could would hear what is for those of other DPUs. */
  admin: (): Role =>
    service('admin', 'admin', {
      publish: WORKLOAD_CHANNELS.map((channel) => subjects.allDpus(channel, 'admin')),
      subscribe: [subjects.allCnfs],
    }),

  networkIntent: (): Role => service('network-intent', 'network'),

  accelerationBroker: (): Role => service('acceleration-broker', 'acceleration'),

  worker: (dpu: string): Role => {
    const name = `worker-${label(dpu)}`;
    return {
      name,
      purpose: `the dataplane worker of DPU ${dpu}: reads what is desired of it, tells what it observed`,
      publish: DPU_CHANNELS.map((channel) => under(`dpu.${dpu}.${channel}.*`)),
      subscribe: [
        `${inboxPrefixOf({ name })}.>`,
        under(`dpu.${dpu}.delta.*`),
        under(`dpu.${dpu}.inspect.*`),
        under(`dpu.${dpu}.counters.*`),
        ...OPERATED_CHANNELS.map((channel) => under(`dpu.${dpu}.${channel}.acceleration`)),
        ...WORKLOAD_CHANNELS.map((channel) => under(`dpu.${dpu}.${channel}.admin`)),
        ...isDiscovered('dataplane-worker'),
        ...isDiscovered('workload-host'),
      ],
      // Whoever discovers it, the owners of its documents and operators: nobody else can reach it.
      answers: 'discovery',
    };
  },

  host: (dpu: string): Role => {
    const name = `host-${label(dpu)}`;
    return {
      name,
      purpose: `the agent on the host of DPU ${dpu} that gives pods their functions: reads states`,
      publish: watches(STREAM.state.name, under('state.>')),
      subscribe: [`${inboxPrefixOf({ name })}.>`, under('state.>')],
      answers: 'nothing',
    };
  },

  /**
   * What puts pods on ports: it may make, look at and delete ports in every tenant, as pods of all of them may come to
   * its host, and one security policy by its name. All else it may only list.
   */
  hostAgent: (host: string): Role => {
    // Node names are subdomains; a dot would begin another token.
    const name = `host-agent-${host.split('.').map(label).join('_')}`;
    const denial = { api: 'network', kind: 'securitypolicy', name: DEFAULT_DENY_POLICY } as const;
    return {
      name,
      purpose: `the agent on host ${host} that the CNI plugin talks to: connects pods to ports`,
      publish: [
        ...['get', 'list', 'apply', 'delete'].map((verb) => under(`rpc.*.network.port.${verb}`)),
        ...['network', 'subnet'].map((kind) => under(`rpc.*.network.${kind}.list`)),
        ...['dpu', 'function'].map((kind) => under(`rpc._.admin.${kind}.list`)),
        under(`intent.*.${denial.api}.${denial.kind}.${denial.name}`),
      ],
      subscribe: [
        `${inboxPrefixOf({ name })}.>`,
        subjects.events({ api: 'network', kind: 'port' }),
        subjects.events(denial),
      ],
      answers: 'nothing',
    };
  },

  /** What a testbed answers probes as. A system with real hosts has none. */
  prober: (): Role => {
    const name = 'prober';
    return {
      name,
      purpose: 'a testbed: sends flows between its pods when it is asked to',
      publish: [],
      subscribe: [`${inboxPrefixOf({ name })}.>`, subjects.allProbes, ...isDiscovered(name)],
      answers: 'requests',
    };
  },

  orchestrator: (tenant: string): Role => {
    const name = `orchestrator-${label(tenant)}`;
    const { event, state } = STREAM;
    return {
      name,
      purpose: `an orchestrator of tenant ${tenant}: its intents, requests, events and state`,
      publish: [
        under(`intent.${tenant}.>`),
        under(`rpc.${tenant}.>`),
        under(`cnf.${tenant}.>`),
        subjects.probe(tenant),
        ...watches(event.name, under(`event.${tenant}.>`)),
        ...watches(state.name, under(`state.${tenant}.>`)),
        ...DISCOVERY,
      ],
      subscribe: [`${inboxPrefixOf({ name })}.>`, under(`event.${tenant}.>`), under(`state.${tenant}.>`)],
      answers: 'nothing',
    };
  },

  operator: (): Role => {
    const name = 'operator';
    const { event, state, dead } = STREAM;
    return {
      name,
      purpose: 'an operator with the CLI: all tenants, dead letters, streams, the acceleration of DPUs',
      publish: [
        under('intent.>'),
        under('rpc.>'),
        under('cnf.>'),
        subjects.allProbes,
        ...OPERATED_CHANNELS.map((channel) => subjects.allDpus(channel, 'acceleration')),
        ...watches(event.name, under('event.>')),
        ...watches(state.name, under('state.>')),
        ...watches(dead.name, under('dead.>')),
        ...lookAtStreams,
        ...provisionStreams,
        `$JS.API.STREAM.MSG.DELETE.${dead.name}`,
        '$JS.API.INFO',
        '$JS.API.STREAM.NAMES',
        '$JS.API.STREAM.LIST',
        '$JS.API.CONSUMER.NAMES.*',
        '$JS.API.CONSUMER.LIST.*',
        ...DISCOVERY,
      ],
      subscribe: [`${inboxPrefixOf({ name })}.>`, `${SUBJECT_PREFIX}.>`, '$JS.EVENT.ADVISORY.>'],
      answers: 'nothing',
    };
  },
} as const;

function label(name: string): string {
  if (isLabel(name)) return name;
  throw AppError.invalid([{ field: 'name', description: LABEL_RULE }]);
}
