import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { systemRandom } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import { PublishedInterfaces } from './supervision/published-interfaces.js';

const DESCRIPTION = { interfaces: [{ name: 'rules', version: '1.0.0', configuration: { type: 'object' } }] };

let directory: string;
let servers: Server[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'outboard-interfaces-'));
  servers = [];
});
afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true, force: true });
});

/** Takes the place of whoever serves. `asked` resolves with what takes the configuration that it is given. */
async function serve(): Promise<{ readonly asked: Promise<() => void> }> {
  let ask: (take: () => void) => void = () => {};
  const asked = new Promise<() => void>((resolve) => {
    ask = resolve;
  });
  const server = createServer((request, response) => {
    if (request.method === 'GET') response.end(JSON.stringify(DESCRIPTION));
    else ask(() => response.end('{}'));
  });
  servers.push(server);
  const path = join(directory, `${servers.length}.sock`);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  renameSync(path, join(directory, 'interfaces.sock'));
  return { asked };
}

it('a server that comes while the one before is being configured is given the configuration as well', async () => {
  const clock = new ManualClock();
  let changed = (): void => {};
  const first = await serve();
  const onChange = (): void => changed();
  const published = new PublishedInterfaces({
    directory,
    name: 'cnf',
    clock,
    random: systemRandom,
    onChange,
  });
  const until = (isSo: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      changed = () => isSo() && resolve();
      changed();
    });
  published.want([{ uid: 'c', generation: 1, workloadUid: 'w', interface: 'rules', configuration: {} }]);
  await clock.advance(0);
  const take = await first.asked;
  const second = await serve();
  const withdrawn = until(() => published.served.length === 0);
  await clock.advance(5_000);
  await withdrawn;
  await until(() => published.served.length === 1);
  take();
  (await second.asked)();
  await until(() => published.configurations[0]?.state === 'APPLIED');
  expect(published.configurations).toMatchObject([{ appliedGeneration: 1, interfaceVersion: '1.0.0' }]);
  published[Symbol.dispose]();
});
