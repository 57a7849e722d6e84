import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MAX_BODY_BYTES } from '@outboard/contracts';
import type { AppError } from '@outboard/core';
import { KIND_NAMES } from '@outboard/model';
import fc from 'fast-check';
import { readManifests } from './manifests.js';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'outboard-cli-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const read = (paths: readonly string[], input = '', tenant?: string) =>
  readManifests({ paths, tenant, readInput: async () => Buffer.from(input) });

async function names(paths: readonly string[], input?: string, tenant?: string): Promise<string[]> {
  const manifests = await read(paths, input, tenant);
  if (!manifests.ok) throw manifests.error;
  return manifests.value.map(({ kind, tenant: owner, name }) => `${owner}/${kind.kind}/${name}`);
}

/** The refusal, each problem as `field: rule` with the folder left out. */
async function refusal(paths: readonly string[], input?: string, tenant?: string): Promise<AppError> {
  const manifests = await read(paths, input, tenant);
  if (manifests.ok) throw new Error('not refused');
  return manifests.error;
}

const problems = async (...given: Parameters<typeof refusal>): Promise<string[]> =>
  (await refusal(...given)).violations.map(({ field, description }) =>
    `${field}: ${description}`.replaceAll(`${folder}/`, ''),
  );

const network = (name: string, more: object = {}) => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind: 'Network',
  metadata: { tenant: 'acme', name },
  spec: {},
  ...more,
});

const NETWORK_YAML = `apiVersion: network.outboard.dev/v1alpha1
kind: Network
metadata: { tenant: acme, name: blue }
spec: {}
`;

describe('manifests', () => {
  it('are read from files of several documents, folders and standard input, in their order', async () => {
    const several = file(
      'several.yaml',
      `# two\n---\n${NETWORK_YAML}---\n${NETWORK_YAML.replace('blue', 'red')}---\n`,
    );
    mkdirSync(join(folder, 'folder'));
    file('folder/b.json', JSON.stringify(network('b')));
    file('folder/a.yml', NETWORK_YAML.replace('blue', 'a'));
    file('folder/readme.txt', 'no manifest');
    const input = JSON.stringify(network('piped'));
    expect(await names([several, join(folder, 'folder'), '-'], input)).toEqual([
      'acme/Network/blue',
      'acme/Network/red',
      'acme/Network/a',
      'acme/Network/b',
      'acme/Network/piped',
    ]);
  });

  it('are read from the list that `get -o json` writes', async () => {
    const list = JSON.stringify({ kind: 'List', items: [network('one'), network('two')] });
    expect(await names(['-'], list)).toEqual(['acme/Network/one', 'acme/Network/two']);
  });

  it('get the tenant of the command line where they name none, unless they belong to none', async () => {
    const dpu = {
      apiVersion: 'admin.outboard.dev/v1alpha1',
      kind: 'Dpu',
      metadata: { name: 'dpu-1' },
      spec: {},
    };
    const list = [network('one', { metadata: { name: 'one' } }), network('two'), dpu];
    expect(await names(['-'], JSON.stringify({ kind: 'List', items: list }), 'globex')).toEqual([
      'globex/Network/one',
      'acme/Network/two',
      '_/Dpu/dpu-1',
    ]);
  });

  it('are refused with every problem of every document at once', async () => {
    const first = file(
      'first.yaml',
      `${NETWORK_YAML}---\n${NETWORK_YAML.replace('spec: {}', 'spec: { mtu: 1, vlan: 2 }')}`,
    );
    const second = file('second.yaml', 'kind: Pod\n---\na: [1\n');
    expect(await problems([first, second, join(folder, 'none.yaml')])).toEqual([
      'first.yaml[1]: spec.vlan: is not a field of NetworkSpec',
      'first.yaml[1]: spec.mtu: must be 1280 to 9000',
      `second.yaml[0]: kind: is unknown; must be one of ${KIND_NAMES.join(', ')}`,
      expect.stringMatching(/^second\.yaml\[1\]: .*at line 4/),
      expect.stringMatching(/^none\.yaml: cannot be read: ENOENT/),
    ]);
  });

  it('that are too many problems to list are counted', async () => {
    const items = Array.from({ length: 60 }, () => network('a', { spec: { mtu: 1, router: 'A' } }));
    const { violations, violationTotal } = await refusal(['-'], JSON.stringify({ kind: 'List', items }));
    expect([violations.length, violationTotal]).toEqual([100, 120]);
  });

  it('name a resource once', async () => {
    const path = file('twice.yaml', `${NETWORK_YAML}---\n${NETWORK_YAML}`);
    expect(await problems([path])).toEqual([
      'twice.yaml[1]: metadata.name: network/blue must be given once; twice.yaml[0] has it already',
    ]);
  });

  it('larger than a message are refused before sending, with their size and the limit', async () => {
    const status = { conditions: [{ message: 'x'.repeat(MAX_BODY_BYTES) }] };
    expect(await problems(['-'], JSON.stringify(network('large', { status })))).toEqual([
      expect.stringMatching(/^-\[0\]: has 2\d{5} bytes as JSON; must be at most 262144$/),
    ]);
  });

  it.each([
    ['nothing', '', /--filename: there is no resource in it/],
    ['only comments', '# later\n---\n', /there is no resource in it/],
    ['a list', '- a\n- b\n', /-\[0\]: must be an object/],
    ['a word', 'hello', /-\[0\]: must be an object/],
    ['a key given twice in JSON', '{"kind": "Network", "kind": "Port"}', /-\[0\]: .*/],
    ['a key given twice in YAML', 'kind: Network\nkind: Port\n', /-\[0\]: Map keys must be unique/],
    ['JSON that ends early', '{"kind": "Network"', /-\[0\]: .*/],
    ['a resource that contains itself', 'kind: Network\nspec: &a\n  b: *a\n', /-\[0\]: .*circular/],
    ['a list without items', '{"kind": "List"}', /-\[0\]: items: must be a list/],
    [
      'aliases that explode',
      `a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n`,
      /-\[0\]: Excessive alias count/,
    ],
  ])('that are %s are refused with a reason', async (_, input, problem) => {
    expect((await problems(['-'], input))[0]).toMatch(problem);
  });

  it('that are no text are refused', async () => {
    const path = file('binary.yaml', Uint8Array.of(0xff, 0xfe, 0x00));
    expect(await problems([path])).toEqual(['binary.yaml: is not valid UTF-8']);
    mkdirSync(join(folder, 'empty'));
    expect(await problems([join(folder, 'empty')])).toEqual(['empty: must have files of .yaml, .yml, .json']);
  });

  it('of any text never throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 50 }), async (text) => {
        const manifests = await read(['-'], text, 'acme');
        expect(manifests.ok).toBe(false);
      }),
    );
  });
});
