import { beforeEach, describe, expect, it } from '@jest/globals';
import { findCondition } from '@outboard/model';
import { identityOf, Lab } from '../../test/lab.js';
import { present } from '../index.js';

const WEB = { matchLabels: { app: 'web' } };
const OFFICE = [{ peers: [{ addressSet: 'office' }] }];

let lab: Lab;

const connect = (name: string, dpu: string, vfNumber: number) =>
  lab.apply(
    'Port',
    name,
    { network: 'blue', function: identityOf(dpu, vfNumber) },
    { labels: { app: 'web' } },
  );

/** Where the policy stands, or the address set: reason and message of Applied, and how far it is known. */
function standing(kind: 'SecurityPolicy' | 'AddressSet' = 'SecurityPolicy') {
  const [record] = lab.records(kind);
  if (record === undefined) throw new Error(`there is no ${kind}`);
  const { status } = present(lab.world, record.resource);
  const { reason, message } = findCondition(status.conditions, 'Applied') ?? {};
  const { applied, total, lagging } = status.propagated ?? {};
  return [reason, message, applied, total, lagging];
}

beforeEach(() => {
  lab = new Lab();
  lab.fleet(['dpu-1', 'dpu-2'], 4);
  lab.apply('Network', 'blue', {});
  lab.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.0.0/16' });
  lab.apply('AddressSet', 'office', { addresses: ['192.0.2.0/24'] });
  lab.apply('SecurityPolicy', 'web', { portSelector: WEB, ingress: OFFICE });
});

describe.each(['SecurityPolicy', 'AddressSet'] as const)('the condition Applied of %s', (kind) => {
  it('is True where no DPU is concerned', () => {
    expect(standing(kind)).toEqual([
      'AppliedAndReadBack',
      'no DPU is concerned',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('is True when every DPU that is concerned has confirmed it, and names those that lag until then', () => {
    connect('web-0', 'dpu-1', 0);
    connect('web-1', 'dpu-2', 0);
    expect(standing(kind)).toEqual(['Applying', '', 0, 2, ['dpu-1', 'dpu-2']]);
    lab.report('dpu-2');
    expect(standing(kind)).toEqual(['Applying', '', 1, 2, ['dpu-1']]);
    lab.report('dpu-1');
    expect(standing(kind)).toEqual(['AppliedAndReadBack', '', 2, 2, []]);
  });

  it('waits again when it changes, and for nobody who is not concerned any more', () => {
    connect('web-0', 'dpu-1', 0);
    connect('web-1', 'dpu-2', 0);
    for (const dpu of ['dpu-1', 'dpu-2']) lab.report(dpu);
    lab.apply('AddressSet', 'office', { addresses: ['192.0.2.0/25'] });
    lab.apply('SecurityPolicy', 'web', { portSelector: WEB, ingress: [...OFFICE, { name: 'b', peers: [] }] });
    expect(standing(kind)).toEqual(['Applying', '', 0, 2, ['dpu-1', 'dpu-2']]);
    lab.report('dpu-1');
    lab.delete('Port', 'web-1');
    expect(standing(kind)).toEqual(['AppliedAndReadBack', '', 1, 1, []]);
  });

  it('waits for no DPU whose document stays as it is', () => {
    lab.apply('AddressSet', 'office', { addresses: ['192.0.2.0/24', '198.51.100.0/24'] });
    connect('web-0', 'dpu-1', 0);
    lab.report('dpu-1');
    lab.restart();
    lab.report('dpu-1');
    const addresses = ['198.51.100.0/24', '192.0.2.0/24'];
    lab.apply('AddressSet', 'office', { addresses }, { labels: { of: 'staff' } });
    const policy = { portSelector: WEB, ingress: OFFICE };
    lab.apply('SecurityPolicy', 'web', policy, { labels: { of: 'staff' } });
    expect(standing(kind)).toEqual(['AppliedAndReadBack', '', 1, 1, []]);
  });

  it('survives a restart of the service', () => {
    connect('web-0', 'dpu-1', 0);
    lab.restart();
    expect(standing(kind)).toEqual(['Applying', '', 0, 1, ['dpu-1']]);
    lab.report('dpu-1');
    expect(standing(kind)).toEqual(['AppliedAndReadBack', '', 1, 1, []]);
  });
});

it('a DPU that cannot apply a policy is named with the reason, until it can', () => {
  connect('web-0', 'dpu-1', 0);
  const [key = ''] = [...(lab.published.get('dpu-1')?.keys() ?? [])].filter((each) =>
    each.startsWith('ruleset/'),
  );
  const problem = {
    key,
    state: 'UNSUPPORTED' as const,
    message: 'no connection tracking',
  };
  lab.report('dpu-1', [problem]);
  expect(standing().slice(0, 2)).toEqual(['DpuProblems', `dpu-1: ${key}: no connection tracking`]);
  expect(standing('AddressSet')[0]).toBe('AppliedAndReadBack');
  lab.report('dpu-1');
  expect(standing()[0]).toBe('AppliedAndReadBack');
});
