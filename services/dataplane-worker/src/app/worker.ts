import type { Bus, Endpoint, Subscription } from '@outboard/bus';
import type { Clock, Random } from '@outboard/core';
import type { DataplaneEngine, Driver, Spec } from '@outboard/dataplane';
import type { Log } from '@outboard/service-shell/process';
import type { HostedAcceleration } from '../acceleration/host-acceleration.js';
import type { AccelerationOperations } from '../acceleration/operations.js';
import type { SessionsHeartbeat } from '../acceleration/sessions-heartbeat.js';
import { AdminEngine } from '../admin/admin-engine.js';
import type { HostedWorkloads } from '../workloads/host-workloads.js';
import { DocumentFollower } from './document-follower.js';
import { DocumentStore } from './document-store.js';
import { Heartbeat } from './heartbeat.js';
import { claimDataDirectory, documentsOf, type WorkerIdentity } from './identity.js';
import { Inspector } from './inspector.js';
import { Inventory } from './inventory.js';
import { Reboot, type RebootMachine } from './reboot.js';
import { Reporter } from './reporter.js';
import { RuleCounters } from './rule-counters.js';
import { Settlement } from './settlement.js';

/** Whose documents a worker follows. */
export const DOCUMENT_OWNERS: readonly string[] = ['network'];

/** Whose document says what the DPU itself should be. */
const ADMIN_OWNER = 'admin';

/** Whose document says what acceleration serves: a worker that hosts it follows that one too. */
const ACCELERATION_OWNER = 'acceleration';

/** How long a worker that is ready otherwise waits for a first answer over the bus. */
const READY_PATIENCE_MILLISECONDS = 2_000;
/** Requests that wait or are answered at one time; each may have to look through all objects. */
const MAX_REQUESTS = 8;
/** How long the last reports may take when the worker ends. */
const FAREWELL_MILLISECONDS = 500;

export interface DataplaneWorkerPorts {
  readonly identity: WorkerIdentity;
  readonly owners: readonly string[];
  /** Made when it is missing; of this worker alone. */
  readonly dataDirectory: string;
  readonly driver: Driver<Spec>;
  /** For the same owners, on this driver. The worker starts it and disposes it. */
  readonly engine: DataplaneEngine<Spec>;
  /** What makes the document of owner `admin` so; absent: this worker has nothing that does, and says so. */
  readonly admin?: AdminEngine | undefined;
  /** What runs this DPU's workloads; absent: this worker runs none. Its parts are the admin engine's. The worker disposes it. */
  readonly workloads?: HostedWorkloads | undefined;
  /** What applications use this DPU's engines by; absent: this worker has none of it. The worker disposes it. */
  readonly acceleration?: HostedAcceleration | undefined;
  /** Undefined: reboots that admin asks for are left to somebody else. */
  readonly rebootMachine?: RebootMachine | undefined;
  /** Pending until there is a first connection: everything but the bus works without. Not disposed by the worker. */
  readonly bus: PromiseLike<Bus>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface DataplaneWorker extends AsyncDisposable {
  /**
   * Resolves when the engine has adopted what was there and every owner was asked once, or nobody answered for two
   * seconds; rejects when the dataplane cannot be adopted, or as `closed` does.
   */
  readonly ready: Promise<WorkerReadiness>;
  /** Resolves when it is disposed; rejects when it can no longer follow its documents. */
  readonly closed: Promise<void>;
}

export interface WorkerReadiness {
  /** Every owner answered, or refused to, over the bus. */
  readonly synchronised: boolean;
  /** Owners whose document was on disk. */
  readonly restored: readonly string[];
  /** Nothing of what was in the kernel when the worker ran last is left. */
  readonly rebooted: boolean;
}

/**
 * The worker of one DPU: follows its documents, keeps them on disk, has the engine make them so, reports, tells what
 * the DPU has and that it is alive. Disposing stops all that and leaves the dataplane as it is.
 */
export async function createDataplaneWorker(ports: DataplaneWorkerPorts): Promise<DataplaneWorker> {
  const { identity, owners, dataDirectory, engine, acceleration, workloads, clock, log } = ports;
  const { dpu, incarnation } = identity;
  const { rebooted } = await claimDataDirectory(dataDirectory, identity, log);
  const directory = documentsOf(dataDirectory);
  const store = new DocumentStore({ ...ports, directory, dpu, withoutChanges: [ACCELERATION_OWNER] });
  const followers: DocumentFollower[] = [];
  const restored: string[] = [];
  const settlement = new Settlement(followers, { engine, settled: () => heartbeat.now() });
  for (const owner of owners) {
    const document = await store.load(owner);
    if (document !== undefined) restored.push(owner);
    const answered = (): void => settlement.look();
    followers.push(new DocumentFollower(owner, document, { ...ports, dpu, incarnation, store, answered }));
  }
  const reporter = new Reporter(owners, { ...ports, dpu, incarnation });
  const inventory = new Inventory({ ...ports, acceleration: acceleration?.inventory });
  const heartbeat = new Heartbeat({
    ...ports,
    dpu,
    incarnation,
    inventory,
    settlement,
    reboot: new Reboot(ports.rebootMachine, log),
    admitted: () => {
      for (const follower of all) follower.synchronise();
    },
  });
  const beside = [await followBeside(ADMIN_OWNER, ports.admin ?? new AdminEngine({}), store, ports)];
  const served = acceleration && (await serveAcceleration(acceleration, store, ports));
  if (served !== undefined) beside.push(served);
  const all = [...followers, ...beside.map(({ follower }) => follower)];
  const reporters = [reporter, ...beside.map((each) => each.reporter)];
  for (const follower of all) follower.start(rebooted ? 'empty' : 'kept');

  const end = new AbortController();
  let listening: Disposable | undefined;
  const services: (Subscription | undefined)[] = [];
  const followed = Promise.resolve(ports.bus).then(async (bus) => {
    if (end.signal.aborted) return;
    const subscriptions = await Promise.all(all.map((follower) => follower.follow(bus)));
    listening = bus.onState((state) => {
      if (state !== 'connected') return;
      settlement.connected();
      for (const part of [...reporters, inventory, heartbeat]) part.connected(bus);
      served?.heartbeat.connected(bus);
      workloads?.connected(bus);
    });
    const endpoints = [
      ...endpointsOf(dpu, owners, engine, ports.driver),
      ...(served?.operations.endpoints ?? []),
    ];
    services.push(
      await unlessRefused(
        () =>
          serveRequests(bus, identity, endpoints, () => allOf([store.problem, served?.heartbeat.problem])),
        log,
      ),
      await unlessRefused(() => workloads?.serve(bus), log),
    );
    await Promise.all(subscriptions.map(({ closed }) => closed));
  });

  const start = async (): Promise<WorkerReadiness> => {
    await Promise.all([engine.start(), inventory.start()]);
    const answered = Promise.all(followers.map(({ firstAnswer }) => firstAnswer));
    const patience = new AbortController();
    end.signal.addEventListener('abort', () => patience.abort(), { once: true });
    const synchronised = await Promise.race([
      answered.then(() => true),
      // Ends by itself only when it fails, or when the worker does.
      followed.then(() => false),
      clock.delay(READY_PATIENCE_MILLISECONDS, patience.signal).then(() => false),
    ]);
    patience.abort();
    return { synchronised, restored, rebooted };
  };

  return {
    ready: start(),
    closed: followed,
    async [Symbol.asyncDispose]() {
      end.abort();
      listening?.[Symbol.dispose]();
      heartbeat[Symbol.dispose]();
      settlement[Symbol.dispose]();
      inventory[Symbol.dispose]();
      await Promise.all(all.map((follower) => follower[Symbol.asyncDispose]()));
      // What was being applied is finished, so that its report can still be told.
      await engine[Symbol.asyncDispose]();
      await acceleration?.[Symbol.asyncDispose]();
      await workloads?.[Symbol.asyncDispose]();
      await Promise.race([reporter.idle(), clock.delay(FAREWELL_MILLISECONDS)]);
      for (const each of reporters) each[Symbol.dispose]();
      served?.heartbeat[Symbol.dispose]();
      await store.close();
      for (const service of services) await service?.[Symbol.asyncDispose]();
    },
  };
}

interface Beside {
  readonly follower: DocumentFollower;
  readonly reporter: Reporter;
}

interface ServedAcceleration extends Beside {
  readonly heartbeat: SessionsHeartbeat;
  readonly operations: AccelerationOperations;
}

/** What follows and reports the document of another owner than the dataplane's. Nobody waits for it: it may not be there. */
async function followBeside(
  owner: string,
  engine: Pick<DataplaneEngine, 'submit' | 'onReport'>,
  store: DocumentStore,
  ports: DataplaneWorkerPorts,
): Promise<Beside> {
  const { dpu, incarnation } = ports.identity;
  const document = await store.load(owner);
  const own = { ...ports, dpu, incarnation, store, engine };
  return { follower: new DocumentFollower(owner, document, own), reporter: new Reporter([owner], own) };
}

async function serveAcceleration(
  { dataPath, engine, injectsFaults }: HostedAcceleration,
  store: DocumentStore,
  ports: DataplaneWorkerPorts,
): Promise<ServedAcceleration> {
  const beside = await followBeside(ACCELERATION_OWNER, engine, store, ports);
  const outdated = (): void => beside.follower.synchronise();
  const own = { ...ports, ...ports.identity, dataPath, served: engine, outdated, injectsFaults };
  const { SessionsHeartbeat } = await import('../acceleration/sessions-heartbeat.js');
  const { AccelerationOperations } = await import('../acceleration/operations.js');
  return { ...beside, heartbeat: new SessionsHeartbeat(own), operations: new AccelerationOperations(own) };
}

/** What is asked of the worker. */
const endpointsOf = (
  dpu: string,
  owners: readonly string[],
  engine: DataplaneEngine,
  driver: Driver<Spec>,
): readonly Endpoint[] => [
  ...new Inspector(dpu, owners, engine).endpoints,
  ...new RuleCounters(dpu, owners, driver).endpoints,
];

/** `$SRV.PING|INFO|STATS.dataplane-worker` finds every worker, and owners look into it. */
const serveRequests = (
  bus: Bus,
  { dpu, workerVersion }: WorkerIdentity,
  endpoints: readonly Endpoint[],
  problem: () => string | undefined,
): Promise<Subscription> =>
  bus.serve({
    name: 'dataplane-worker',
    version: workerVersion,
    description: `dataplane worker of ${dpu}`,
    endpoints,
    maxInFlight: MAX_REQUESTS,
    problem,
  });

/** All problems that there are, as one text; undefined: there are none. */
function allOf(problems: readonly (string | undefined)[]): string | undefined {
  const told = problems.filter((problem) => problem !== undefined);
  return told.length === 0 ? undefined : told.join('; ');
}

/** A worker that may not be found or looked into works all the same. */
async function unlessRefused(
  serve: () => Promise<Subscription> | undefined,
  log: Log,
): Promise<Subscription | undefined> {
  try {
    return await serve();
  } catch (failure) {
    log.warn({ err: failure }, 'the worker cannot be discovered or looked into');
    return undefined;
  }
}
