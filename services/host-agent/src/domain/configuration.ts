import { err, ok, Problems, type Result } from '@outboard/core';
import {
  DEFAULT_POOL,
  type IpAddress,
  type Labels,
  labelKeyProblem,
  labelValueProblem,
  MAX_LABELS,
  type MacAddress,
  type Name,
  type Parser,
  parseAddressOrPrefix,
  parseMacAddress,
  parseName,
  parseTenantName,
  prefixAddress,
  type TenantName,
} from '@outboard/model';
import { CNI_CODE, CniError } from './cni-error.js';
import { fieldOf, isRecord, type JsonRecord, RecordReader } from './json.js';
import { type CniVersion, requireVersion } from './version.js';

/** What every verb needs of the configuration on standard input. */
export interface BaseConfiguration {
  readonly cniVersion: CniVersion;
  /** Of the network configuration list: attachments belong to it. */
  readonly name: string;
  readonly json: JsonRecord;
}

/** As ports have it, kilobits a second; undefined: not limited. */
export interface Bandwidth {
  readonly ingressKbps: number | undefined;
  readonly egressKbps: number | undefined;
}

export interface Dns {
  readonly nameservers: readonly string[];
  readonly domain: string | undefined;
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** What an ADD is to do, whoever said so: configuration, capabilities, conventions, arguments, annotations. */
export interface AttachmentRequest {
  /** Of the pod; undefined outside Kubernetes. */
  readonly podNamespace: string | undefined;
  readonly podName: string | undefined;
  /** Said by the configuration; which tenant it is, tenancy decides. */
  readonly tenant: TenantName | undefined;
  readonly network:
    | { readonly name: Name }
    /** The one network of the tenant that has these labels. */
    | { readonly labels: Labels }
    /** An existing port has one already. */
    | undefined;
  /** An existing port that is to be connected; undefined: one is made. */
  readonly port: Name | undefined;
  readonly pool: Name;
  readonly deviceId: string | undefined;
  readonly labels: Labels;
  readonly securityPolicies: readonly Name[];
  readonly defaultDeny: boolean;
  readonly defaultRoute: boolean;
  readonly macAddress: MacAddress | undefined;
  readonly ips: readonly IpAddress[];
  readonly bandwidth: Bandwidth | undefined;
  readonly dns: Dns;
}

const MAX_NAME = 256;
const MAX_LIST = 16;
const ANNOTATIONS = 'io.kubernetes.cri.pod-annotations';
/** Prefix of annotations that we heed, and of labels that are ours to set. */
export const PREFIX = 'outboard.dev/';

/** Throws CniError 6 (no JSON object), 1 (version) or 7 (name). */
export function parseBase(stdin: string): BaseConfiguration {
  let json: unknown;
  try {
    json = JSON.parse(stdin);
  } catch (cause) {
    throw new CniError(CNI_CODE.DECODING_FAILURE, `standard input is not JSON: ${(cause as Error).message}`);
  }
  if (!isRecord(json)) throw new CniError(CNI_CODE.DECODING_FAILURE, 'standard input is not a JSON object');
  const cniVersion = requireVersion(json.cniVersion);
  const { name } = json;
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME) {
    const rule = `name must be a string of 1-${MAX_NAME} characters`;
    throw new CniError(CNI_CODE.INVALID_CONFIGURATION, rule, rule);
  }
  return { cniVersion, name, json };
}

/** Throws CniError 7 or 2 with everything that is wrong in the configuration, the arguments and the annotations. */
export function parseRequest(
  { json }: BaseConfiguration,
  args: ReadonlyMap<string, string>,
): AttachmentRequest {
  refuseUnsupported(json);
  const problems = new Problems();
  const root = new RecordReader(json, '', problems);
  const runtime = root.child('runtimeConfig');
  const convention = root.child('args').child('cni');
  const annotations = runtime.map(ANNOTATIONS, 1_000) ?? {};
  const annotation = (name: string): string | undefined => annotations[`${PREFIX}${name}`] || undefined;
  const at = <Value>(
    field: string,
    text: string | undefined,
    parse: Parser<string, Value>,
  ): Value | undefined => {
    if (text === undefined || text === '') return undefined;
    const parsed = parse(text);
    if (parsed.ok) return parsed.value;
    problems.add(field, parsed.error);
    return undefined;
  };
  /** The first that says something; each is checked, as what is wrong would otherwise show when it is needed. */
  const first = <Value>(
    parse: Parser<string, Value>,
    ...sources: readonly (readonly [field: string, text: string | undefined])[]
  ): Value | undefined =>
    sources.map(([field, text]) => at(field, text, parse)).find((each) => each !== undefined);

  const port = first(
    parseName,
    [`annotation ${PREFIX}port`, annotation('port')],
    ['CNI_ARGS OUTBOARD_PORT', args.get('OUTBOARD_PORT')],
    ['port', root.text('port')],
  );
  const named = first(
    parseName,
    [`annotation ${PREFIX}network`, annotation('network')],
    ['CNI_ARGS OUTBOARD_NETWORK', args.get('OUTBOARD_NETWORK')],
    ['network', root.text('network')],
  );
  const selected = root.map('networkSelector', MAX_LIST);
  checkLabels('networkSelector', selected ?? {}, problems);
  const network =
    named !== undefined ? { name: named } : selected !== undefined ? { labels: selected } : undefined;
  if (network === undefined && port === undefined && !root.has('network')) {
    problems.add(
      'network',
      'must be set, or networkSelector, or port: which network is the pod to be connected to',
    );
  }
  const labels = {
    ...root.map('labels', MAX_LABELS),
    ...parsePairs(`annotation ${PREFIX}labels`, annotation('labels') ?? '', problems),
  };
  checkLabels('labels', labels, problems);
  const request: AttachmentRequest = {
    podNamespace: args.get('K8S_POD_NAMESPACE') || undefined,
    podName: args.get('K8S_POD_NAME') || undefined,
    tenant: at('tenant', root.text('tenant'), parseTenantName),
    network,
    port,
    pool: at('pool', root.text('pool'), parseName) ?? DEFAULT_POOL,
    deviceId: root.text('deviceID') || runtime.text('deviceID') || undefined,
    labels,
    securityPolicies: root
      .texts('securityPolicies', MAX_LIST - 1)
      .flatMap((text, index) => at(`securityPolicies[${index}]`, text, parseName) ?? []),
    defaultDeny: root.flag('defaultDeny', true),
    defaultRoute: root.flag('defaultRoute', true),
    macAddress: first(
      parseMacAddress,
      ['runtimeConfig.mac', runtime.text('mac')],
      ['args.cni.mac', convention.text('mac')],
      ['CNI_ARGS MAC', args.get('MAC')],
    ),
    ips: ipsOf(runtime, convention, args, problems),
    bandwidth: bandwidthOf(runtime),
    dns: dnsOf(root, runtime),
  };
  if (problems.total > 0) throw CniError.of(CNI_CODE.INVALID_CONFIGURATION, 'configuration', problems);
  return request;
}

/** Of STATUS: which functions an ADD would take. Throws CniError 7. */
export function parsePool({ json }: BaseConfiguration): Name {
  const problems = new Problems();
  const text = new RecordReader(json, '', problems).text('pool');
  const parsed = text === undefined ? ok(DEFAULT_POOL) : parseName(text);
  if (!parsed.ok) problems.add('pool', parsed.error);
  if (parsed.ok && problems.total === 0) return parsed.value;
  throw CniError.of(CNI_CODE.INVALID_CONFIGURATION, 'configuration', problems);
}

/** Capabilities that change what a pod is given, with why they are not had. Others that are not known change nothing. */
const UNSUPPORTED_CAPABILITIES = {
  portMappings: 'pods are reached at their own addresses',
  ipRanges: "addresses come from the network's subnets",
  infinibandGUID: 'functions are Ethernet devices',
} as const;

/** What would be ignored otherwise, and missed later. Throws CniError 2. */
function refuseUnsupported(json: JsonRecord): void {
  const refuse = (field: string, why: string): never => {
    const text = `${field} is not supported: ${why}`;
    throw new CniError(CNI_CODE.UNSUPPORTED_FIELD, text, text);
  };
  const { ipam } = json;
  // Another allocator beside the network would give its addresses twice.
  if (isRecord(ipam) && Object.keys(ipam).length > 0)
    refuse('ipam', "addresses come from the network's subnets");
  const runtime = fieldOf(json, 'runtimeConfig');
  if (!isRecord(runtime)) return;
  for (const [name, why] of Object.entries(UNSUPPORTED_CAPABILITIES)) {
    const value = fieldOf(runtime, name);
    const isEmpty = value === undefined || value === null || value === '';
    if (!isEmpty && !(Array.isArray(value) && value.length === 0)) refuse(`runtimeConfig.${name}`, why);
  }
}

const parseAddress: Parser<string, IpAddress> = (text): Result<IpAddress, string> => {
  // A prefix with host bits is what runtimes mean by an address.
  const parsed = parseAddressOrPrefix(text.split('/')[0] ?? '');
  return parsed.ok
    ? ok(prefixAddress(parsed.value))
    : err('must be an IP address, with or without a prefix length');
};

function ipsOf(
  runtime: RecordReader,
  convention: RecordReader,
  args: ReadonlyMap<string, string>,
  problems: Problems,
): readonly IpAddress[] {
  const sources: readonly (readonly [string, readonly string[]])[] = [
    ['runtimeConfig.ips', runtime.texts('ips', MAX_LIST)],
    ['args.cni.ips', convention.texts('ips', MAX_LIST)],
    ['CNI_ARGS IP', (args.get('IP') ?? '').split(',').filter((text) => text !== '')],
  ];
  const [field = '', texts = []] = sources.find(([, each]) => each.length > 0) ?? [];
  return texts.flatMap((text, index) => {
    const parsed = parseAddress(text);
    if (parsed.ok) return [parsed.value];
    problems.add(`${field}[${index}]`, parsed.error);
    return [];
  });
}

/** Rates come in bit/s; how much may burst is the DPU's to choose. */
function bandwidthOf(runtime: RecordReader): Bandwidth | undefined {
  const reader = runtime.child('bandwidth');
  const kbps = (name: string): number | undefined => {
    const rate = reader.count(name) ?? 0;
    return rate === 0 ? undefined : Math.ceil(rate / 1_000);
  };
  const bandwidth = { ingressKbps: kbps('ingressRate'), egressKbps: kbps('egressRate') };
  return bandwidth.ingressKbps === undefined && bandwidth.egressKbps === undefined ? undefined : bandwidth;
}

/** The runtime's (of the pod) before the configuration's (of the cluster). */
function dnsOf(root: RecordReader, runtime: RecordReader): Dns {
  const [own, given] = [root.child('dns'), runtime.child('dns')];
  const either = (ours: string, theirs: string): readonly string[] => {
    const texts = given.texts(theirs, MAX_LIST);
    return texts.length > 0 ? texts : own.texts(ours, MAX_LIST);
  };
  return {
    nameservers: either('nameservers', 'servers'),
    domain: own.text('domain'),
    search: either('search', 'searches'),
    options: either('options', 'options'),
  };
}

/** `key=value,key=value`. */
function parsePairs(field: string, text: string, problems: Problems): Labels {
  const pairs: Record<string, string> = {};
  for (const pair of text.split(',').filter((each) => each.trim() !== '')) {
    const [key, value, ...more] = pair.trim().split('=');
    if (key && value !== undefined && more.length === 0) pairs[key] = value;
    else problems.add(field, `must be key=value pairs joined by commas; ${JSON.stringify(pair)} is none`);
  }
  return pairs;
}

function checkLabels(field: string, labels: Labels, problems: Problems): void {
  for (const [key, value] of Object.entries(labels)) {
    const reserved =
      field === 'labels' && key.startsWith(PREFIX) ? `must not begin with ${PREFIX}` : undefined;
    const problem = reserved ?? labelKeyProblem(key) ?? labelValueProblem(value);
    if (problem !== undefined) problems.add(`${field}[${JSON.stringify(key)}]`, problem);
  }
}
