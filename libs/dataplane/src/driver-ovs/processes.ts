import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '@outboard/core';
import type { NetworkNamespace } from '@outboard/netlink';

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
const SWITCH = 'ovs-vswitchd';
const PID_FILES = { database: 'ovsdb-server.pid', switch: `${SWITCH}.pid` } as const;
const STOP_POLL_MILLISECONDS = 10;
const STOP_POLLS = 500;

export const databaseSocket = (directory: string): string => join(directory, 'db.sock');
export const bridgeSocket = (directory: string, bridge: string): string => join(directory, `${bridge}.mgmt`);

/** Of ovs-vswitchd: of one that we started, or as it names it itself. `undefined`: it does not run. */
export function controlSocket(directory: string): string | undefined {
  const pid = pidIn(join(directory, PID_FILES.switch));
  return [`${SWITCH}.ctl`, `${SWITCH}.${pid}.ctl`]
    .map((name) => join(directory, name))
    .find((path) => existsSync(path));
}

/**
 * Sees to it that an Open vSwitch runs in a namespace, with all its files in a directory of its own. It outlives who
 * started it, so that traffic does; one that runs is left alone. Throws AppError FAILED_PRECONDITION with what the
 * programs said.
 */
export async function ensureRunning(
  directory: string,
  namespace: NetworkNamespace | undefined,
): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // After a restart of the DPU that did not end its processes: they serve a namespace that nobody is in any more.
  const home = namespace?.inode ?? inodeOf('/proc/thread-self/ns/net');
  if (livingPids(directory).some((pid) => inodeOf(`/proc/${pid}/ns/net`) !== home))
    await stopSwitch(directory);
  const run = (program: string, args: readonly string[]): Promise<void> =>
    runProgram(program, args, directory, namespace);
  const database = join(directory, 'conf.db');
  if (!existsSync(database)) await run('ovsdb-tool', ['create', database, SCHEMA]);
  const socket = databaseSocket(directory);
  await run('ovsdb-server', [
    ...daemon(directory, 'ovsdb-server', PID_FILES.database),
    `--remote=punix:${socket}`,
    database,
  ]);
  await run(SWITCH, [...daemon(directory, SWITCH, PID_FILES.switch), `unix:${socket}`]);
}

/** Ends it, for whoever wants its traffic to end. */
export async function stopSwitch(directory: string): Promise<void> {
  for (const pid of livingPids(directory)) {
    signal(pid, 'SIGTERM');
    for (let polls = 0; polls < STOP_POLLS && signal(pid, 0); polls++) await pause(STOP_POLL_MILLISECONDS);
  }
}

/** The switch first. Others may have got the ids of dead ones meanwhile: only who names the directory is one of ours. */
const livingPids = (directory: string): number[] =>
  [PID_FILES.switch, PID_FILES.database].flatMap((file) => {
    const path = join(directory, file);
    const pid = pidIn(path);
    return pid !== undefined && textOf(`/proc/${pid}/cmdline`).includes(`--pidfile=${path}\0`) ? [pid] : [];
  });

/** Ids of the processes that have left theirs, which live unless they were killed. */
export function processIds(directory: string): { readonly database?: number; readonly switch?: number } {
  const ids: { database?: number; switch?: number } = {};
  for (const name of ['database', 'switch'] as const) {
    const pid = pidIn(join(directory, PID_FILES[name]));
    if (pid !== undefined) ids[name] = pid;
  }
  return ids;
}

/** The monitoring parent restarts what crashes; the program returns when the daemon works. */
const daemon = (directory: string, name: string, pidFile: string): string[] => [
  '--detach',
  '--no-chdir',
  '--monitor',
  `--pidfile=${join(directory, pidFile)}`,
  `--log-file=${join(directory, `${name}.log`)}`,
  `--unixctl=${join(directory, `${name}.ctl`)}`,
];

function runProgram(
  program: string,
  args: readonly string[],
  directory: string,
  namespace: NetworkNamespace | undefined,
): Promise<void> {
  const variables = { OVS_RUNDIR: directory, OVS_DBDIR: directory, OVS_LOGDIR: directory };
  const start = () =>
    spawn(program, [...args], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, ...variables },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  const child = namespace === undefined ? start() : namespace.run(start);
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => {
      said = `${said}${bytes}`.slice(-2000);
    });
    const failed = (why: string): void => reject(new AppError('FAILED_PRECONDITION', `${program}: ${why}`));
    child.on('error', ({ message }) => failed(message));
    // Not `close`: daemons may keep what they were given.
    child.on('exit', (status) => {
      if (status === 0 || said.includes('already running')) resolve();
      else failed(said.trim() || `it ended with ${status}`);
      child.stderr.destroy();
    });
  });
}

const pidIn = (file: string): number | undefined => Number(textOf(file)) || undefined;

/** Empty if it cannot be read. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Of the namespace behind a link of /proc. */
const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino;

/** False if there is no such process. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}
