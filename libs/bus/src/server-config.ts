import { Problems } from '@outboard/core';
import type { AuthorizedRole } from './credentials.js';
import { inboxPrefixOf, type Role } from './roles.js';
import { STREAMS } from './streams.js';

export interface ServerConfigOptions {
  /** Address to listen on: `127.0.0.1`, `0.0.0.0`, `::`. */
  readonly host: string;
  /** 0 to 65535; 0 leaves it to the server's command line. */
  readonly port: number;
  readonly storeDirectory: string;
  readonly roles: readonly AuthorizedRole[];
  /** HTTP port of `/healthz` and `/varz` on the same address; absent: none. */
  readonly monitoringPort?: number;
}

/**
 * How long a worker may take for its answer, also for one of a CNF on its DPU: then the server forgets that it may give
 * one.
 */
const ANSWER_WITHIN = '8s';
/** To one question, since a worker is two services: one of the dataplane, one of workloads. Both are looked for at once. */
const ANSWERS_AT_MOST = 2;

/** More than the largest message of any stream, bytes. */
const MAX_PAYLOAD = 1024 * 1024;

/** How long a client may take to answer the server's challenge: where all begin at once, processors are busy. 2 by default. */
const AUTHENTICATION_SECONDS = 10;

/**
 * The configuration of nats-server for an installation: JetStream with room for all streams, one user per role. It holds
 * public keys only. Text of this format is a superset of JSON, so every value is written as JSON.
 */
export function renderServerConfig(options: ServerConfigOptions): string {
  check(options);
  const { host, port, storeDirectory, monitoringPort } = options;
  const bytesOf = (storage: 'file' | 'memory'): number =>
    STREAMS.filter((stream) => stream.storage === storage).reduce((sum, { maxBytes }) => sum + maxBytes, 0);
  // Twice the streams' limits: the server counts reservations against this, and a file store needs room to compact.
  const jetstream = {
    store_dir: storeDirectory,
    max_file_store: 2 * bytesOf('file'),
    max_memory_store: 2 * bytesOf('memory'),
  };
  const inboxes = options.roles.map(({ role }) => `${inboxPrefixOf(role)}.>`);
  return [
    '# Written by Outboard from its table of roles; changes are lost.',
    'server_name: "outboard"',
    `host: ${JSON.stringify(host)}`,
    ...(port > 0 ? [`port: ${port}`] : []),
    ...(monitoringPort === undefined ? [] : [`http: ${JSON.stringify(`${host}:${monitoringPort}`)}`]),
    `max_payload: ${MAX_PAYLOAD}`,
    `jetstream: ${JSON.stringify(jetstream, undefined, 2)}`,
    'authorization: {',
    `  timeout: ${AUTHENTICATION_SECONDS}`,
    '  users: [',
    ...options.roles.flatMap(({ role, publicKey }) => [
      `    # ${role.name}: ${role.purpose}`,
      `    ${JSON.stringify({ nkey: publicKey, permissions: permissionsOf(role, inboxes) })}`,
    ]),
    '  ]',
    '}',
    '',
  ].join('\n');
}

/**
 * A service may publish to the inboxes of all roles, listed one by one. The server's own means, permission to answer
 * what was asked (`allow_responses`), serves only those who are rarely asked: it keeps every inbox until its time is
 * over, and searches all of them at each message from the 4,097th on (500 requests per second instead of 50,000).
 */
function permissionsOf({ publish, subscribe, answers }: Role, inboxes: readonly string[]): object {
  return {
    publish: { allow: answers === 'requests' ? [...publish, ...inboxes] : publish },
    subscribe: { allow: subscribe },
    ...(answers === 'discovery' ? { allow_responses: { max: ANSWERS_AT_MOST, expires: ANSWER_WITHIN } } : {}),
  };
}

function check({ host, port, storeDirectory, roles, monitoringPort }: ServerConfigOptions): void {
  const problems = new Problems();
  const isPort = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 65_535;
  if (!/^[0-9A-Za-z.:-]+$/.test(host)) problems.add('host', 'must be an address or a host name');
  if (!isPort(port)) problems.add('port', 'must be 0-65535');
  if (monitoringPort !== undefined && !isPort(monitoringPort)) {
    problems.add('monitoringPort', 'must be 0-65535');
  }
  if (storeDirectory === '') problems.add('storeDirectory', 'must not be empty');
  if (roles.length === 0) problems.add('roles', 'must not be empty: nobody could connect');
  const names = new Set<string>();
  for (const [index, { role, publicKey }] of roles.entries()) {
    if (names.has(role.name)) problems.add(`roles[${index}]`, `${role.name} is there twice`);
    if (!/^U[A-Z2-7]{55}$/.test(publicKey))
      problems.add(`roles[${index}].publicKey`, 'must be a public NKey of a user');
    names.add(role.name);
  }
  if (problems.total > 0) throw problems.toError();
}
