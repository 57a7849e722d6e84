import { attachmentKey, keyOf } from '../domain/attachment.js';
import { CNI_CODE, CniError, toCniError } from '../domain/cni-error.js';
import { parseBase, parsePool, parseRequest } from '../domain/configuration.js';
import { type Invocation, parseInvocation } from '../domain/invocation.js';
import { isRecord, type JsonRecord } from '../domain/json.js';
import { resultOf } from '../domain/result.js';
import { isSupported, NEWEST_VERSION, requireVerb, SUPPORTED_VERSIONS } from '../domain/version.js';
import type { HostAgent } from './host-agent.js';

/** What the plugin prints and ends with. */
export interface PluginAnswer {
  readonly exitCode: number;
  readonly stdout: string;
}

const SILENT: PluginAnswer = { exitCode: 0, stdout: '' };

/** One call of the plugin: its environment and its standard input in, what it prints and its exit code out. */
export async function call(
  agent: HostAgent,
  environment: ReadonlyMap<string, string>,
  stdin: string,
): Promise<PluginAnswer> {
  try {
    const invocation = parseInvocation(environment);
    const { command } = invocation;
    if (command === 'VERSION') return print(versionOf(stdin));
    const result = await run(agent, invocation, stdin);
    return result === undefined ? SILENT : print(result);
  } catch (failure) {
    const error = toCniError(failure);
    agent.ports.log.warn(
      { err: error, details: error.details, command: environment.get('CNI_COMMAND') },
      'a call failed',
    );
    return { exitCode: 1, stdout: JSON.stringify(errorJson(error, stdin)) };
  }
}

const print = (json: JsonRecord): PluginAnswer => ({ exitCode: 0, stdout: JSON.stringify(json) });

async function run(agent: HostAgent, invocation: Invocation, stdin: string): Promise<JsonRecord | undefined> {
  const base = parseBase(stdin);
  const { cniVersion, name, json } = base;
  switch (invocation.command) {
    case 'ADD': {
      const request = parseRequest(base, invocation.args);
      const connection = await agent.add(invocation, name, request);
      return resultOf(cniVersion, invocation, connection, json.prevResult);
    }
    case 'DEL':
      await agent.delete(attachmentKey(invocation.containerId, invocation.ifname));
      return undefined;
    case 'CHECK':
      requireVerb('CHECK', cniVersion, '0.4.0');
      if (!isRecord(json.prevResult)) {
        throw new CniError(CNI_CODE.INVALID_CONFIGURATION, 'prevResult must be set: CHECK compares with it');
      }
      await agent.check(attachmentKey(invocation.containerId, invocation.ifname), json.prevResult);
      return undefined;
    case 'STATUS':
      requireVerb('STATUS', cniVersion, '1.1.0');
      await agent.status(parsePool(base));
      return undefined;
    case 'GC':
      requireVerb('GC', cniVersion, '1.1.0');
      await agent.collectGarbage(name, validAttachments(json));
      return undefined;
    case 'VERSION':
      return versionOf(stdin);
  }
}

/** Keys of the attachments that the runtime knows of. Throws CniError 7. */
function validAttachments(json: JsonRecord): ReadonlySet<string> {
  // The second is what libcni called it before the specification did.
  const listed = json['cni.dev/valid-attachments'] ?? json['cni.dev/attachments'];
  if (!Array.isArray(listed)) {
    throw new CniError(CNI_CODE.INVALID_CONFIGURATION, 'cni.dev/valid-attachments must be a list');
  }
  return new Set(
    listed.map((each: unknown, index) => {
      const { containerID, ifname } = isRecord(each) ? each : {};
      if (typeof containerID === 'string' && typeof ifname === 'string')
        return keyOf({ containerId: containerID, ifname });
      const message = `cni.dev/valid-attachments[${index}] must have containerID and ifname`;
      throw new CniError(CNI_CODE.INVALID_CONFIGURATION, message);
    }),
  );
}

function versionOf(stdin: string): JsonRecord {
  return { cniVersion: answeredVersion(stdin), supportedVersions: SUPPORTED_VERSIONS };
}

const errorJson = ({ code, message, details }: CniError, stdin: string): JsonRecord => ({
  cniVersion: answeredVersion(stdin),
  code,
  msg: message,
  ...(details !== '' && details !== message && { details }),
});

/** The one asked for, if it is one that we answer in. */
function answeredVersion(stdin: string): string {
  try {
    const { cniVersion } = JSON.parse(stdin) as { cniVersion?: unknown };
    return isSupported(cniVersion) ? cniVersion : NEWEST_VERSION;
  } catch {
    return NEWEST_VERSION;
  }
}

/** For whoever cannot be answered: the agent is busy or ends. */
export const tryAgainLater = (message: string): PluginAnswer => ({
  exitCode: 1,
  stdout: JSON.stringify({ cniVersion: NEWEST_VERSION, code: CNI_CODE.TRY_AGAIN_LATER, msg: message }),
});
