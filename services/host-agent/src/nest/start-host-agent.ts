import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type Bus, roles } from '@outboard/bus';
import { AppError, systemClock, systemRandom } from '@outboard/core';
import { libc } from '@outboard/ffi';
import { connectAs, connectEventually, type Log } from '@outboard/service-shell/process';
import type { HostAgentConfiguration } from '../app/configuration.js';
import { ControlPlane } from '../app/control-plane.js';
import { EventualBus } from '../app/eventual-bus.js';
import { Functions } from '../app/functions.js';
import { HostAgent } from '../app/host-agent.js';
import { HostNetwork } from '../app/host-network.js';
import { Journal } from '../app/journal.js';
import { Namespaces } from '../app/namespaces.js';
import { PluginServer } from '../app/plugin-server.js';
import { call } from '../app/verbs.js';

export interface RunningAgent extends AsyncDisposable {
  /** Rejects when the bus can never be reached as it is configured. */
  readonly closed: Promise<unknown>;
}

/** The agent on this machine: its kernel, its disk, its socket, and the bus as soon as that can be reached. */
export async function startHostAgent(configuration: HostAgentConfiguration, log: Log): Promise<RunningAgent> {
  const { host, dataDirectory, socketPath } = configuration;
  const lock = lockDirectory(dataDirectory);
  const clock = systemClock;
  const bus = new EventualBus(clock);
  const controlPlane = new ControlPlane(bus, clock, {
    timeoutMilliseconds: undefined,
    requestedBy: `host agent of ${host}`,
  });
  const network = new HostNetwork();
  const agent = new HostAgent(
    {
      host,
      controlPlane,
      network,
      functions: new Functions(controlPlane, host, network, clock),
      namespaces: new Namespaces(),
      journal: Journal.open(join(dataDirectory, 'attachments'), log),
      clock,
      log,
    },
    configuration,
  );
  const server = await PluginServer.listen(
    socketPath,
    ({ environment, stdin }) => call(agent, environment, stdin),
    log,
  );
  const end = new AbortController();
  let connected: Bus | undefined;
  const connecting = connectEventually(
    (waiting) => connectAs(roles.hostAgent(host), { ...configuration, waiting }),
    { clock, random: systemRandom, log, signal: end.signal },
  );
  const closed = connecting.then((value) => {
    connected = value;
    bus.connected(value);
    // At once, and whenever it is back: what waits for it is done then.
    value.onState((state) => {
      log.info({ state }, 'bus');
      if (state === 'connected') void agent.reconcile();
    });
  });
  agent.start();
  return {
    closed,
    async [Symbol.asyncDispose]() {
      end.abort();
      // The server ends when all who called were answered, which the agent's end brings about.
      await Promise.all([server[Symbol.asyncDispose](), agent[Symbol.asyncDispose]()]);
      await connected?.[Symbol.asyncDispose]();
      closeSync(lock);
    },
  };
}

/** Two agents on one journal would release each other's attachments. The kernel frees the lock when the process ends. */
function lockDirectory(directory: string): number {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = openSync(join(directory, 'lock'), 'w', 0o600);
  if (libc.tryLock(lock)) return lock;
  closeSync(lock);
  throw new AppError('FAILED_PRECONDITION', `another host agent runs on ${directory}`);
}
