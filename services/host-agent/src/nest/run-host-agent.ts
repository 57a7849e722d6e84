import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { nestLogger, runProcess } from '@outboard/service-shell/process';
import { readConfiguration } from '../app/configuration.js';
import { HOST_AGENT, HostAgentModule } from './host-agent.module.js';
import { type RunningAgent, startHostAgent } from './start-host-agent.js';

await runProcess({
  service: 'host-agent',
  configure: readConfiguration,
  logBase: ({ host }) => ({ host }),
  start: async (configuration, log) => {
    const module = HostAgentModule.running(() => startHostAgent(configuration, log));
    const application = await NestFactory.createApplicationContext(module, {
      logger: nestLogger(log),
      abortOnError: false,
    });
    const { closed } = application.get<RunningAgent>(HOST_AGENT);
    return {
      closed,
      ready: Promise.resolve({ socket: configuration.socketPath }),
      [Symbol.asyncDispose]: () => application.close(),
    };
  },
});
