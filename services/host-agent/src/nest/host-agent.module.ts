import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { RunningAgent } from './start-host-agent.js';

/** Token of the running agent. */
export const HOST_AGENT = Symbol('HostAgent');

/** The agent as a Nest application: it comes with the module and ends with the application. */
@Module({})
export class HostAgentModule implements OnApplicationShutdown {
  constructor(@Inject(HOST_AGENT) private readonly agent: RunningAgent) {}

  static running(start: () => Promise<RunningAgent>): DynamicModule {
    return {
      module: HostAgentModule,
      providers: [{ provide: HOST_AGENT, useFactory: start }],
      exports: [HOST_AGENT],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
  }
}
