import { chownSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AuthorizedRole,
  generateCredentials,
  type Role,
  renderServerConfig,
  roles,
} from '@outboard/bus';

/** Where the volumes of all others are, by name. */
const VOLUMES = '/volumes';
/** Who runs what needs no rights; the DPUs' processes run as root. */
const USER = 1000;
const ROOT = 0;
const NATS_PORT = 4222;
const MONITORING_PORT = 8222;
/** Where the server's container has its volume. */
const STREAMS = '/var/lib/nats';

const labels = (variable: string): string[] =>
  (process.env[variable] ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');

/** Makes the keys that are missing in a volume, which is its owner's alone. */
async function provide(
  volume: string,
  owner: number,
  own: readonly Role[],
): Promise<readonly AuthorizedRole[]> {
  const directory = join(VOLUMES, volume);
  const authorized = await generateCredentials(directory, own);
  for (const file of readdirSync(directory)) chownSync(join(directory, file), owner, owner);
  chownSync(directory, owner, owner);
  return authorized;
}

const dpus = labels('OUTBOARD_DPUS');
const tenants = labels('OUTBOARD_TENANTS');
const authorized = [
  ...(await provide('admin-credentials', USER, [roles.admin()])),
  ...(await provide('network-intent-credentials', USER, [roles.networkIntent()])),
  ...(await provide('acceleration-broker-credentials', USER, [roles.accelerationBroker()])),
  ...(await provide('operator-credentials', USER, [roles.operator(), ...tenants.map(roles.orchestrator)])),
];
for (const dpu of dpus) {
  const own = [roles.worker(dpu), roles.host(dpu)];
  authorized.push(...(await provide(`${dpu}-credentials`, ROOT, own)));
}
writeFileSync(
  join(VOLUMES, 'nats-configuration', 'nats-server.conf'),
  renderServerConfig({
    host: '0.0.0.0',
    port: NATS_PORT,
    monitoringPort: MONITORING_PORT,
    storeDirectory: STREAMS,
    roles: authorized,
  }),
);
for (const volume of ['nats-streams', 'admin-data', 'network-intent-data', 'acceleration-broker-data']) {
  chownSync(join(VOLUMES, volume), USER, USER);
}
process.stdout.write(`roles: ${authorized.map(({ role }) => role.name).join(', ')}\n`);
