import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AppError } from '@outboard/core';
import { integerOption, runProgram } from '@outboard/service-shell/process';
import { EXAMPLE_DPUS, EXAMPLE_TENANTS, LocalStack, OVS_EXAMPLE } from './local-stack.js';
import { tour } from './tour.js';

const USAGE = `usage: npm start [-- --once] [--agents] [--port PORT] [--directory DIRECTORY]
  Starts nats-server, the services and four DPUs with their workers in network namespaces of their own, two on the
  Linux kernel and two on Open vSwitch, publishes the manifests of examples/two-tenants and examples/open-vswitch, and
  shows with real packets what came of them.
  --once       prove it, remove everything, and exit with 0 or 1
  --agents     run an agent on every host as well, for the CNI plugin (docs/cni.md)
  --port       where clients on this machine reach NATS; default 4222
  --directory  for stores, logs and credentials; default .outboard/local-stack`;

const EXAMPLES = ['two-tenants', 'open-vswitch'].map((folder) =>
  fileURLToPath(new URL(`../../../examples/${folder}`, import.meta.url)),
);
const CNFS = fileURLToPath(new URL('../../../examples/cnfs', import.meta.url));
const DIRECTORY = fileURLToPath(new URL('../../../.outboard/local-stack', import.meta.url));

const started = performance.now();
const say = (line: string): void => {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`${seconds} s  ${line}\n`);
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      agents: { type: 'boolean', default: false },
      port: { type: 'string', default: '4222' },
      directory: { type: 'string', default: DIRECTORY },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const port = integerOption('port', values.port, 1, 65_535);
  say('starting: testbed, nats-server, services, workers');
  const stack = await LocalStack.start({
    name: 'local',
    directory: values.directory,
    agents: values.agents,
    acceleration: true,
    providerNetwork: true,
    workloadDirectories: [CNFS],
    environment: values.agents ? { OUTBOARD_TENANTS: '*=*,_=acme' } : {},
    dpus: [...EXAMPLE_DPUS, ...OVS_EXAMPLE.dpus],
    drivers: Object.fromEntries(OVS_EXAMPLE.dpus.map(({ name }) => [name, 'ovs'])),
    tenants: [...EXAMPLE_TENANTS, OVS_EXAMPLE.tenant],
    ...(values.once ? {} : { clientPort: port }),
  });
  try {
    for (const name of stack.stack.names) say(`  ${name} runs, pid ${stack.stack.program(name).pid}`);
    await tour(stack, EXAMPLES, say);
    say('proved: everything above was measured with real packets');
    if (values.once) return 0;
    say(`NATS for clients on this machine: ${stack.stack.clientUrl}; logs and stores: ${values.directory}`);
    if (values.agents) {
      for (const { name, namespace } of stack.testbed.plan.hosts) {
        say(`CNI on ${name}: namespace ${namespace}, OUTBOARD_CNI_SOCKET=${stack.stack.agentSocket(name)}`);
      }
    }
    say('try: npm run outboard -- get ports -A     (Ctrl-C removes everything but stores and logs)');
    await new Promise<void>((resolve) => {
      process.once('SIGINT', resolve).once('SIGTERM', resolve);
    });
    say('removing everything');
    return 0;
  } finally {
    await stack[Symbol.asyncDispose]();
  }
}

/** What a person can do about it, where that is known. */
function explained(failure: unknown): never {
  if ((failure as { code?: unknown }).code === 'EADDRINUSE')
    throw new AppError('UNAVAILABLE', 'the port is in use on this machine; give another with --port');
  if (failure instanceof AppError && failure.reason === 'TESTBED_IN_USE')
    throw new AppError('ALREADY_EXISTS', `npm start runs on this machine already: ${failure.message}`);
  throw failure;
}

runProgram(USAGE, () => main().catch(explained));
