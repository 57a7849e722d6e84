import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats, STREAMS, type StreamBus } from '@outboard/bus';
import { unwrap } from '@outboard/core';
import { Program, SERVICE_FLAGS } from '@outboard/testbed';
import { type NatsServer, startNatsServer } from '@outboard/testkit';

const main = (service: string): string =>
  fileURLToPath(new URL(`../../../${service}/dist/main.js`, import.meta.url));

/** A broker and the services that a fleet needs, each a process. */
export class FleetServices implements AsyncDisposable {
  private constructor(
    readonly directory: string,
    readonly url: string,
    readonly bus: StreamBus,
    private readonly server: NatsServer,
    private readonly services: readonly Program[],
  ) {}

  static async start(): Promise<FleetServices> {
    const directory = mkdtempSync(join(tmpdir(), 'outboard-fleet-'));
    const server = await startNatsServer();
    const bus = await connectNats({ servers: server.url, name: 'test' });
    unwrap(await bus.streams.provision(STREAMS, 'apply'));
    const services = ['admin', 'network-intent'].map(
      (name) =>
        new Program({
          name,
          command: [process.execPath, ...SERVICE_FLAGS, main(name)],
          logFile: join(directory, `${name}.log`),
          environment: { OUTBOARD_NATS_URL: server.url, OUTBOARD_DATA_DIRECTORY: join(directory, name) },
        }),
    );
    for (const service of services) await service.start();
    return new FleetServices(directory, server.url, bus, server, services);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bus[Symbol.asyncDispose]();
    for (const service of this.services) await service.dispose();
    await this.server[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true });
  }
}
