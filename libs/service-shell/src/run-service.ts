import 'reflect-metadata';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { StreamBus } from '@outboard/bus';
import { BusServer } from '@outboard/bus/nest';
import { type AppError, type Clock, type Random, systemClock, systemRandom } from '@outboard/core';
import { type Durability, openSqliteStore, type Store } from '@outboard/store';
import type { Logger } from 'pino';
import { type CommonConfiguration, readCommonConfiguration } from './common-configuration.js';
import { connectAs } from './connect-as.js';
import { connectEventually } from './connect-eventually.js';
import type { EnvironmentReader } from './environment.js';
import type { Log } from './log.js';
import { nestLogger } from './nest-logger.js';
import { type RunningProcess, runProcess } from './run-process.js';
import { runStoreCommand } from './store-command.js';
import { StreamKeeper } from './stream-keeper.js';

/** What a service is made of. */
export interface ServicePorts {
  readonly bus: StreamBus;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A service with a store of its own, whatever it does. */
export interface Service extends AsyncDisposable {
  /** Why it does only a part of what it is for; undefined: it does everything. Told with its statistics. */
  readonly problem?: string | undefined;
  /** A stream is another one than before: nothing of what was in it is there any more. */
  streamReplaced(stream: string): void;
  start(): Promise<void>;
}

export interface ServiceDefinition<Configuration, Running extends Service> {
  /** Role on the bus, name of its database and in discovery. */
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** What it is told besides what every service is told. */
  readonly configure: (environment: EnvironmentReader) => Configuration;
  readonly create: (ports: ServicePorts, configuration: Configuration) => Running;
  readonly controller: Type;
  /** Under which the controller gets the service. */
  readonly token: symbol;
}

interface ServiceConfiguration extends CommonConfiguration {
  readonly durability: Durability;
}

/** Requests that are handled at once; the group writer bounds what waits behind them. */
const MAX_REQUESTS = 4_096;

/**
 * Runs a service as a process of its own: SQLite, NATS, NestJS. Returns when it is ready. With an argument the process
 * looks after the service's database instead, see `runStoreCommand`.
 */
export async function runService<Configuration, Running extends Service>(
  definition: ServiceDefinition<Configuration, Running>,
): Promise<void> {
  const [command, ...words] = process.argv.slice(2);
  if (command !== undefined) {
    process.exitCode = await runStoreCommand(definition.name, command, words);
    return;
  }
  await runProcess({
    service: definition.name,
    configure: (environment) => ({
      ...readCommonConfiguration(environment),
      durability: environment.oneOf('OUTBOARD_STORE_DURABILITY', ['NORMAL', 'FULL'], 'NORMAL'),
      own: definition.configure(environment),
    }),
    start: (configuration, log) => startService(definition, configuration, log),
  });
}

async function startService<Configuration, Running extends Service>(
  definition: ServiceDefinition<Configuration, Running>,
  configuration: ServiceConfiguration & { readonly own: Configuration },
  log: Logger,
): Promise<RunningProcess> {
  const { name, version, description } = definition;
  mkdirSync(configuration.dataDirectory, { recursive: true, mode: 0o700 });
  const store = await openSqliteStore({
    path: join(configuration.dataDirectory, `${name}.sqlite`),
    durability: configuration.durability,
    onProblem: (problem) => {
      if (problem) log.error({ code: problem.code, reason: problem.reason }, problem.message);
      else log.info({}, 'the database takes changes again');
    },
  });
  const bus = await connectEventually((waiting) => connectAs(definition, { ...configuration, waiting }), {
    clock: systemClock,
    random: systemRandom,
    log,
  });
  bus.onState((state) => log.info({ state }, 'bus'));
  const streams = await StreamKeeper.open({ bus, clock: systemClock, random: systemRandom, log });
  const service = definition.create(
    { bus, store, clock: systemClock, random: systemRandom, log },
    configuration.own,
  );
  streams.onReplaced((stream) => service.streamReplaced(stream));
  await service.start();
  const application = await NestFactory.createMicroservice(moduleOf(definition, service), {
    strategy: new BusServer(bus, {
      name,
      version,
      description,
      maxInFlight: MAX_REQUESTS,
      problem: () => problemOf(store.problem, streams.problem, service.problem),
    }),
    logger: nestLogger(log),
    abortOnError: false,
  });
  return {
    ready: application.listen().then(() => ({ epoch: store.epoch })),
    async [Symbol.asyncDispose]() {
      // Nothing arrives any more; what has arrived is finished and published; then the connections go.
      await application.close();
      await service[Symbol.asyncDispose]();
      streams[Symbol.dispose]();
      await bus[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** Everything that is wrong, in a line; undefined: nothing is. */
function problemOf(
  store: AppError | undefined,
  streams: AppError | undefined,
  service: string | undefined,
): string | undefined {
  const problems = [
    ...(store ? [`store: ${store.code}: ${store.message}`] : []),
    ...(streams ? [`streams: ${streams.code}: ${streams.message}`] : []),
    ...(service === undefined ? [] : [service]),
  ];
  return problems.length === 0 ? undefined : problems.join('; ');
}

const moduleOf = (
  { controller, token }: { readonly controller: Type; readonly token: symbol },
  service: Service,
): DynamicModule => ({
  module: ServiceModule,
  controllers: [controller],
  providers: [{ provide: token, useValue: service }],
});

@Module({})
class ServiceModule {}
