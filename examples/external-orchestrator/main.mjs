#!/usr/bin/env node
// Publishes a network, its subnets and ports for one tenant, follows them until they are ready, and prints what it sees
// as one JSON object a line. It ends when every port is ready, or after the given time with exit code 1.
import { parseArgs } from 'node:util';
import { connectOrchestrator, IntentPublisher, request, watchState } from './outboard.mjs';

const USAGE = `usage: main.mjs --server nats://HOST:PORT --seed FILE --tenant TENANT
                [--port NAME=SERIAL/PF-MAC/VF]... [--timeout SECONDS] [--linger]
  --linger   keep watching after everything is ready, until SIGTERM`;

const { values } = parseArgs({
  options: {
    server: { type: 'string' },
    seed: { type: 'string' },
    tenant: { type: 'string' },
    port: { type: 'string', multiple: true, default: [] },
    timeout: { type: 'string', default: '60' },
    linger: { type: 'boolean', default: false },
  },
});
if (!values.server || !values.seed || !values.tenant) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const { tenant } = values;

const resource = (kind, name, spec) => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind,
  metadata: { tenant, name, labels: { 'managed-by': 'external-orchestrator' } },
  spec,
});

const portOf = (text) => {
  const [, name, serialNumber, pfMacAddress, vf] = /^([^=]+)=([^/]+)\/([^/]+)\/(\d+)$/.exec(text) ?? [];
  if (!name) throw new Error(`--port ${text}: must be NAME=SERIAL/PF-MAC/VF`);
  return resource('Port', name, {
    network: 'green',
    function: { serialNumber, pfMacAddress, vfNumber: Number(vf) },
  });
};

const intents = [
  resource('Network', 'green', {}),
  resource('Subnet', 'green-v4', { network: 'green', cidr: '10.77.0.0/24' }),
  resource('Subnet', 'green-v6', { network: 'green', cidr: 'fd00:77::/64' }),
  ...values.port.map(portOf),
];
const wanted = new Set(values.port.map((text) => text.split('=')[0]));

const timeout = setTimeout(() => {
  print({ event: 'timeout', missing: [...wanted] });
  process.exit(1);
}, Number(values.timeout) * 1000);

const connection = await connectOrchestrator({ servers: values.server, seedFile: values.seed, tenant });
print({ event: 'connected', server: connection.getServer() });
(async () => {
  for await (const { type } of connection.status()) {
    if (type === 'disconnect' || type === 'reconnect') print({ event: type });
  }
})();

const publisher = await new IntentPublisher(connection).open(tenant);
for (const intent of intents) {
  const answer = await publisher.submit(intent);
  const { kind, metadata } = intent;
  print({ event: answer.accepted ? 'accepted' : 'refused', kind, name: metadata.name, error: answer.error });
  if (!answer.accepted) process.exit(1);
}
// What is wrong is refused with the field and the rule.
const wrong = await publisher.submit(
  resource('Subnet', 'overlapping', { network: 'green', cidr: '10.77.0.128/25' }),
);
print({
  event: wrong.accepted ? 'accepted' : 'refused',
  kind: 'Subnet',
  name: 'overlapping',
  error: wrong.error,
});

const { items } = await request(connection, tenant, 'network', 'port', 'list', { pageSize: 100 });
print({ event: 'listed', ports: items.map(({ metadata }) => metadata.name) });

const stopping = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => stopping.abort());
let announced = false;
for await (const { object, deleted, subject } of watchState(connection, tenant, {
  signal: stopping.signal,
})) {
  const ready = object.status?.conditions?.find(({ type }) => type === 'Ready');
  print({ event: 'state', subject, deleted, ready: ready?.status, reason: ready?.reason });
  if (object.kind === 'Port' && ready?.status === 'True') wanted.delete(object.metadata.name);
  if (wanted.size === 0 && !announced) {
    announced = true;
    clearTimeout(timeout);
    print({ event: 'ready' });
    if (!values.linger) break;
  }
}
await publisher.close();
await connection.drain();
