import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { functionOf, list, network, port, subnet, World } from './world.js';

let world: World;

beforeAll(async () => {
  world = await World.open();
  await world.registerDpu(3);
  const db = port('db-0', { function: functionOf(1) }, { labels: { app: 'db' } });
  await world.outboard(
    'apply -f -',
    list(
      network('blue'),
      subnet('blue-v4', '10.0.1.0/24'),
      port('web-0', { function: functionOf(0) }, { labels: { app: 'web' } }),
      db,
    ),
  );
});

afterAll(async () => world[Symbol.asyncDispose]());

const isolation = {
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'SecurityPolicy',
  metadata: { tenant: 'acme', name: 'db' },
  spec: {
    portSelector: { matchLabels: { app: 'db' } },
    ingress: [{ name: 'postgres', services: [{ protocol: 'TCP', port: 5432 }] }],
  },
};

describe('outboard explain', () => {
  it('tells what a policy would open and close, then the verdict, what decides, and the way', async () => {
    const { stdout } = await world.outboard('apply -f - --dry-run', list(isolation));
    expect(stdout).toContain('ruleSet.ingress.0.name: postgres');
    expect(stdout).toMatch(
      /port\/web-0 \(blue\) to port\/db-0 \(blue\) over IPv4: TCP 0-5431, TCP 5433-65535, .* is possible no more/,
    );
    await world.outboard('apply -f -', list(isolation));
    const allowed = await world.outboard(
      'explain -t acme --from port/web-0 --to port/db-0 --protocol tcp --port 5432',
    );
    expect(
      allowed.stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.trim().split(/ {3,}/)),
    ).toEqual([
      ['ALLOWED (RuleAllows)'],
      [expect.stringMatching(/^from 10\.0\.1\.\d+ to 10\.0\.1\.\d+$/)],
      ['INGRESS decided by rule postgres of securitypolicy/db (DEFAULT)'],
      ['1.', 'dpu-1', 'port web-0', expect.stringMatching(/^sends from 10/)],
      ['2.', 'dpu-1', 'pf0vf0', 'comes in'],
      ['3.', 'dpu-1', 'network blue', expect.stringMatching(/^looks up 10/)],
      ['4.', 'dpu-1', 'pf0vf1', 'goes out'],
      ['5.', 'dpu-1', 'port db-0', 'gets TCP'],
      ['not ready yet: port/web-0, port/db-0'],
    ]);
    const denied = await world.outboard('explain -t acme --from web-0 --to db-0 --protocol icmp -o json');
    expect(JSON.parse(denied.stdout)).toMatchObject({
      verdict: 'DENIED',
      reason: 'Isolated',
      decidedBy: [{ direction: 'INGRESS', policy: 'db', tier: 'DEFAULT' }],
    });
  });

  it('refuses what makes no sense: on the command line before anything is sent, else with every field', async () => {
    const ask = (rest: string) => world.outboard(`explain ${rest}`);
    expect(await ask('--from a --to b --protocol tcp')).toMatchObject({ exitCode: 2 });
    expect(await ask('-t acme --from network/a --to b --protocol tcp')).toMatchObject({ exitCode: 2 });
    const { stderr, exitCode } = await ask('-t acme --from A --to b --protocol tcp --icmp-type 8');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/from: .*\n.*port: must be 1-65535 with TCP\n.*icmpType: must be absent with TCP/);
    expect((await ask('-t acme --from web-0 --to gone --protocol icmp')).stderr).toContain(
      'no Port acme/gone',
    );
  });
});
