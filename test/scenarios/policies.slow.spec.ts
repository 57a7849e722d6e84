import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { link, NetlinkSocket, type NetworkNamespace, upFlags } from '@outboard/netlink';
import { PacketsSite } from './packets-site.js';
import { type PoliciesWorld, policiesScenario } from './policies.js';

const CLI = fileURLToPath(new URL('../../services/cli/dist/main.js', import.meta.url));

describe('security policies, with real packets', () => {
  const world = policiesScenario(() => PacketsSite.open('policies'), told);

  /** What the CLI tells of the tenant as JSON, and its exit code. */
  const outboard = async (command: string) => {
    const { stack } = world.site;
    const args = [CLI, ...command.split(' '), '-t', 'acme', '--server', stack.stack.clientUrl];
    const seed = join(stack.credentials, 'operator.seed');
    const child = execFile(process.execPath, [...args, '--seed', seed, '-o', 'json']);
    let text = '';
    child.stdout?.on('data', (data) => {
      text += data;
    });
    const [code] = await once(child, 'close');
    return { code, told: JSON.parse(text) };
  };

  function told({ untilPassing }: PoliciesWorld<PacketsSite>): void {
    it('say how far they are applied, and what their rules have decided on', async () => {
      const policy = await outboard('get securitypolicy web');
      const applied = policy.told.status.conditions.find(({ type }: { type: string }) => type === 'Applied');
      expect(applied).toMatchObject({ status: 'True', reason: 'AppliedAndReadBack' });
      expect(policy.told.status.propagated).toMatchObject({ applied: 1, total: 1 });
      const counted = async (): Promise<number> => {
        const { told } = await outboard('counters securitypolicy web');
        const [{ rules = [] } = {}] = told.items;
        return rules.reduce((sum: number, { packets = '0' }) => sum + Number(packets), 0);
      };
      const before = await counted();
      await untilPassing(['client-0 -> web-0 tcp 8080'], ['client-0 -> web-0 tcp 8080']);
      expect(await counted()).toBeGreaterThan(before + 8);
    });
  }

  it('are traced: the CLI compares what packets do with what is explained, and tells by its exit code', async () => {
    const trace = async (flow: string) => {
      const { code, told } = await outboard(`trace ${flow}`);
      const { explained, observed, stations } = told;
      const way = stations.map(
        ({ dpu, kind, seen }: Record<string, unknown>) => `${dpu} ${kind}${seen ? '' : ' lost'}`,
      );
      return { code, verdict: explained.verdict, answered: observed.answered ?? false, way };
    };
    const homeOf = (name: string) => world.acme.port(name)?.status.dpu;
    const [client, web, db] = ['client-0', 'web-0', 'db-0'].map(homeOf);
    const across = (far: string | undefined) => (far === client ? [] : [`${client} tunnel`]);
    const start = [`${client} port`, `${client} representor`];
    const toWeb = '--from port/client-0 --to port/web-0 --protocol tcp --port 8080';
    expect(await trace(toWeb)).toEqual({
      code: 0,
      verdict: 'ALLOWED',
      answered: true,
      way: [...start, ...across(web), `${web} representor`, `${web} port`],
    });
    expect(await trace('--from client-0 --to db-0 --protocol udp --port 5432')).toEqual({
      code: 0,
      verdict: 'DENIED',
      answered: false,
      way: [...start, ...across(db)],
    });
    expect(await trace('--from client-0 --to 10.0.9.77 --protocol icmp')).toEqual({
      code: 0,
      verdict: 'UNREACHABLE',
      answered: false,
      way: start,
    });
    // What no model of the network knows: the pod has taken its device down.
    const socket = NetlinkSocket.open({
      namespace: world.site.podOf(world.podOf('web-0')).namespace as NetworkNamespace,
    });
    const { ifiIndex } = await socket.get(link.get({ ifname: 'eth0' }));
    await socket.batch([link.change({ ifiIndex, ...upFlags(false) })]);
    socket.close();
    const broken = await trace(toWeb);
    expect(broken).toMatchObject({ code: 1, verdict: 'ALLOWED', answered: false });
    expect(broken.way.at(-1)).toBe(`${web} port lost`);
  });
});
