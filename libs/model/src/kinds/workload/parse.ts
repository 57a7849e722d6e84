import { create } from '@bufbuild/protobuf';
import {
  type WorkloadFile as WorkloadFileMessage,
  type WorkloadInterface as WorkloadInterfaceMessage,
  type WorkloadSpec as WorkloadSpecMessage,
  WorkloadSpecSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, atMost, distinct, oneOf, optional, required } from '../../fields.js';
import { parseLabelSelectorMessage } from '../../label-selector.js';
import { parseDeviceName, parseName } from '../../values.js';
import { numberIn, parseAbsolutePath, parseWords } from './parse-parts.js';
import { parseProbe } from './parse-probe.js';
import {
  DEVICE_FILES,
  LINUX_CAPABILITIES,
  RESTART_POLICIES,
  type WorkloadFile,
  type WorkloadInterface,
  type WorkloadResources,
  type WorkloadSpec,
} from './spec.js';

export const MAX_INTERFACES = 8;
const MAX_FILES = 16;
export const MAX_FILE_BYTES = 65_536;
const MAX_VARIABLES = 64;
const MAX_VARIABLE_BYTES = 4096;
const MAX_SYSCTLS = 32;
const MAX_SESSIONS = 16;

const parseRestartPolicy = oneOf(RESTART_POLICIES);
const parseCapability = oneOf(LINUX_CAPABILITIES);
const parseDeviceFile = oneOf(DEVICE_FILES);

export function parseWorkloadSpec(
  message: WorkloadSpecMessage = create(WorkloadSpecSchema),
  problems: Problems,
): WorkloadSpec | undefined {
  const dpu = optional(problems, 'spec.dpu', message.dpu, parseName);
  const dpuSelector =
    message.dpuSelector && parseLabelSelectorMessage(message.dpuSelector, 'spec.dpuSelector', problems);
  if (message.dpu !== '' && message.dpuSelector !== undefined)
    problems.add('spec.dpuSelector', 'must be absent with dpu');
  const image = optional(problems, 'spec.image', message.image, parseAbsolutePath);
  parseWords('spec.command', message.command, problems);
  parseWords('spec.arguments', message.arguments, problems);
  if (message.image === '' && message.command.length === 0)
    problems.add('spec.command', 'is required without image');
  checkEnvironment(message.environment, problems);
  const interfaces = parseInterfaces(message.interfaces, problems);
  const files = parseFiles(message.files, problems);
  checkSysctls(message.sysctls, problems);
  const readinessProbe =
    message.readinessProbe && parseProbe(message.readinessProbe, 'spec.readinessProbe', problems);
  const livenessProbe =
    message.livenessProbe && parseProbe(message.livenessProbe, 'spec.livenessProbe', problems);
  const capabilities = parseList('spec.capabilities', message.capabilities, parseCapability, problems);
  const devices = parseList('spec.devices', message.devices, parseDeviceFile, problems);
  if (interfaces === undefined || files === undefined) return undefined;
  const accelerationSessions = atMost(
    problems,
    'spec.accelerationSessions',
    message.accelerationSessions,
    MAX_SESSIONS,
  )
    ? parseList('spec.accelerationSessions', message.accelerationSessions, parseName, problems)
    : undefined;
  if (capabilities === undefined || devices === undefined) return undefined;
  if (accelerationSessions === undefined) return undefined;
  return {
    dpu,
    dpuSelector,
    image,
    command: [...message.command],
    arguments: [...message.arguments],
    environment: { ...message.environment },
    workingDirectory: optional(
      problems,
      'spec.workingDirectory',
      message.workingDirectory,
      parseAbsolutePath,
    ),
    resources: parseResources(message, problems),
    interfaces,
    files,
    restartPolicy:
      optional(problems, 'spec.restartPolicy', message.restartPolicy, parseRestartPolicy) ?? 'ALWAYS',
    readinessProbe,
    livenessProbe,
    terminationGraceSeconds: numberIn(
      'spec.terminationGraceSeconds',
      message.terminationGraceSeconds,
      { least: 1, most: 300, absent: 10 },
      problems,
    ),
    capabilities,
    devices,
    sysctls: { ...message.sysctls },
    accelerationSessions,
  };
}

function parseResources({ resources }: WorkloadSpecMessage, problems: Problems): WorkloadResources {
  const number = (
    name: 'cpuMillicores' | 'memoryMebibytes' | 'processes',
    range: { least: number; most: number; absent: number },
  ) => numberIn(`spec.resources.${name}`, resources?.[name] ?? 0, range, problems);
  return {
    cpuMillicores: number('cpuMillicores', { least: 10, most: 1_024_000, absent: 100 }),
    memoryMebibytes: number('memoryMebibytes', { least: 4, most: 1_048_576, absent: 64 }),
    processes: number('processes', { least: 1, most: 32_768, absent: 256 }),
  };
}

function parseInterfaces(
  messages: readonly WorkloadInterfaceMessage[],
  problems: Problems,
): readonly WorkloadInterface[] | undefined {
  const field = 'spec.interfaces';
  if (!atMost(problems, field, messages, MAX_INTERFACES)) return undefined;
  for (const key of ['name', 'port'] as const)
    distinct(
      problems,
      messages,
      (each) => each[key] || undefined,
      (index) => `${field}[${index}].${key}`,
    );
  if (messages.filter(({ defaultRoute }) => defaultRoute === true).length > 1)
    problems.add(field, 'must have one with defaultRoute at most');
  return all(
    messages.map((message, index) => {
      const name = required(problems, `${field}[${index}].name`, message.name, parseDeviceName);
      const port = required(problems, `${field}[${index}].port`, message.port, parseName);
      if (message.name === 'lo') problems.add(`${field}[${index}].name`, 'must not be lo');
      if (name === undefined || port === undefined) return undefined;
      return { name, port, defaultRoute: message.defaultRoute };
    }),
  );
}

const DEFAULT_MODE = 0o644;
const MODE = /^[0-7]{3,4}$/;

function parseFiles(
  messages: readonly WorkloadFileMessage[],
  problems: Problems,
): readonly WorkloadFile[] | undefined {
  const field = 'spec.files';
  if (!atMost(problems, field, messages, MAX_FILES)) return undefined;
  const bytes = messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
  if (bytes > MAX_FILE_BYTES)
    problems.add(field, `must have at most ${MAX_FILE_BYTES} bytes together, not ${bytes}`);
  distinct(
    problems,
    messages,
    ({ path }) => path || undefined,
    (index) => `${field}[${index}].path`,
  );
  return all(
    messages.map(({ path: text, content, mode }, index) => {
      const path = required(problems, `${field}[${index}].path`, text, parseAbsolutePath);
      if (mode !== '' && !MODE.test(mode))
        problems.add(`${field}[${index}].mode`, 'must be 3 or 4 octal digits such as 0644');
      if (path === undefined) return undefined;
      return { path, content, mode: mode === '' ? DEFAULT_MODE : Number.parseInt(mode, 8) };
    }),
  );
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

function checkEnvironment(environment: Readonly<Record<string, string>>, problems: Problems): void {
  const field = 'spec.environment';
  const entries = Object.entries(environment);
  if (entries.length > MAX_VARIABLES)
    problems.add(field, `must have at most ${MAX_VARIABLES} entries, not ${entries.length}`);
  for (const [name, value] of entries) {
    const path = `${field}[${JSON.stringify(name.slice(0, 128))}]`;
    if (!VARIABLE.test(name) || name.startsWith('OUTBOARD_'))
      problems.add(path, 'must be named by letters, digits and _, and not start with a digit or OUTBOARD_');
    if (Buffer.byteLength(value) > MAX_VARIABLE_BYTES || value.includes('\0'))
      problems.add(path, `must have at most ${MAX_VARIABLE_BYTES} bytes and no zero byte`);
  }
}

const SYSCTL = /^net(\.[A-Za-z0-9_-]+){1,8}$/;
const SYSCTL_VALUE = /^[\x20-\x7e\t]{1,128}$/;

function checkSysctls(sysctls: Readonly<Record<string, string>>, problems: Problems): void {
  const field = 'spec.sysctls';
  const entries = Object.entries(sysctls);
  if (entries.length > MAX_SYSCTLS)
    problems.add(field, `must have at most ${MAX_SYSCTLS} entries, not ${entries.length}`);
  for (const [name, value] of entries) {
    const path = `${field}[${JSON.stringify(name.slice(0, 128))}]`;
    if (!SYSCTL.test(name)) problems.add(path, 'must be a setting below net, such as net.ipv4.ip_forward');
    if (!SYSCTL_VALUE.test(value)) problems.add(path, 'must have a value of 1-128 printable characters');
  }
}

function parseList<Value>(
  field: string,
  texts: readonly string[],
  parse: Parameters<typeof optional<string, Value>>[3],
  problems: Problems,
): readonly Value[] | undefined {
  distinct(
    problems,
    texts,
    (text) => text,
    (index) => `${field}[${index}]`,
  );
  return all(texts.map((text, index) => required(problems, `${field}[${index}]`, text, parse)));
}
