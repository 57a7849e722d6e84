import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { InspectRequest } from '@outboard/contracts';
import { parse } from 'yaml';
import { World } from './world.js';

let world: World;
let questions: readonly InspectRequest[];

const bridge = {
  key: 'link/obb1',
  type: 'link',
  state: 'APPLIED',
  wanted: { ifname: 'obb1', mtu: 1450, linkinfo: { kind: 'bridge' } },
  observed: { ifname: 'obb1', mtu: 1450, linkinfo: { kind: 'bridge' } },
  claims: [
    {
      owner: 'network',
      object: 'bridgedomain/1',
      source: { kind: 'Network', tenant: 'acme', name: 'blue' },
    },
  ],
  claimTotal: 3,
};
const representor = {
  key: 'link/pf0vf0',
  type: 'link',
  state: 'FOREIGN',
  message: 'somebody else\u001b[2J',
  wanted: { ifname: 'pf0vf0', ifiFlags: ['up'] },
};

beforeAll(async () => {
  world = await World.open();
  await world.registerDpu(1);
  questions = await world.showLayer1([bridge, representor]);
});

afterAll(async () => world[Symbol.asyncDispose]());

describe('outboard layer1 get', () => {
  it('shows a table of what there is, whom it is for and where it stands', async () => {
    const { stdout, exitCode } = await world.outboard('layer1 get links --dpu dpu-1 -t acme');
    expect(exitCode).toBe(0);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {3,}/)),
    ).toEqual([
      ['TYPE', 'STATE', 'FOR', 'ATTRIBUTES', 'MESSAGE'],
      ['link', 'APPLIED', 'acme/network/blue and 2 more', 'ifname=obb1 mtu=1450 linkinfo.kind=bridge', '-'],
      ['link', 'FOREIGN', '-', 'ifname=pf0vf0 ifiFlags=up', 'somebody else?[2J'],
    ]);
    expect(questions.at(-1)).toMatchObject({ type: 'link', tenant: 'acme' });
  });

  it('asks for all tenants and all types, and selects', async () => {
    await world.outboard('layer1 get --dpu dpu-1 -A --field-selector state=FAILED -o wide');
    expect(questions.at(-1)).toMatchObject({
      type: '',
      tenant: '',
      requirements: [{ field: 'state', value: 'FAILED', equal: true }],
    });
  });

  it('gives all of it as JSON and YAML', async () => {
    const { stdout } = await world.outboard('layer1 get links --dpu dpu-1 -t acme -o json');
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'List', items: [bridge, representor] });
    const yaml = (await world.outboard('layer1 get links --dpu dpu-1 -t acme -o yaml')).stdout;
    expect(parse(yaml.split('---\n')[0] ?? '')).toMatchObject(bridge);
  });

  it('sends nothing when the command line makes no sense, and tells what the service refuses', async () => {
    const asked = questions.length;
    expect(await world.outboard('layer1 get links -t acme')).toMatchObject({ exitCode: 2 });
    expect(await world.outboard('layer1 get links --dpu dpu-1')).toMatchObject({ exitCode: 2 });
    expect(await world.outboard('layer1 set links --dpu dpu-1 -t acme')).toMatchObject({ exitCode: 2 });
    const unknown = await world.outboard('layer1 get links --dpu dpu-9 -t acme');
    expect(unknown).toMatchObject({ exitCode: 1, stderr: 'outboard: no Dpu dpu-9\n' });
    expect(questions).toHaveLength(asked);
  });
});
