// Stands for a service or a worker in stack.spec.ts: a process that keeps to the contract of environment variables.
// It reaches the bus, writes what it was told into its data directory, counts its starts there, and says that it is ready.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

const { OUTBOARD_NATS_URL, OUTBOARD_NATS_SEED_FILE, OUTBOARD_DATA_DIRECTORY, FAIL } = process.env;
if (FAIL) throw new Error('the service fails');
const { hostname, port } = new URL(OUTBOARD_NATS_URL);
const socket = connect(Number(port), hostname);
socket.on('error', () => undefined);
socket.once('data', (greeting) => {
  const variables = Object.entries(process.env).filter(([name]) => name.startsWith('OUTBOARD_'));
  const seed = OUTBOARD_NATS_SEED_FILE && readFileSync(OUTBOARD_NATS_SEED_FILE, 'utf8');
  const told = {
    variables: Object.fromEntries(variables),
    seed,
    greeting: greeting.toString().split(' ')[0],
  };
  writeFileSync(join(OUTBOARD_DATA_DIRECTORY, 'told.json'), JSON.stringify(told));
  appendFileSync(join(OUTBOARD_DATA_DIRECTORY, 'starts'), 'x');
  process.stdout.write('{"event":"ready"}\n');
});
process.on('SIGTERM', () => process.exit(0));
setInterval(() => undefined, 1000);
