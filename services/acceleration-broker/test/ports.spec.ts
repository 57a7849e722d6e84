import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { findCondition } from '@outboard/model';
import { BrokerLaboratory, COMPRESS, encryptWith, sealedTo, TOKEN_SHA256 } from './broker-laboratory.js';

/** Later than what is known of a port could be older than a session for it. */
const LATER_MILLISECONDS = 5_000;

let laboratory: BrokerLaboratory;
beforeEach(async () => {
  laboratory = await BrokerLaboratory.open();
  await laboratory.dpus('dpu-a');
});
afterEach(() => laboratory.close());

const later = async (): Promise<void> => {
  await laboratory.clock.advance(LATER_MILLISECONDS);
  await laboratory.quiet();
};
const put = async (name: string, labels?: object): Promise<void> => {
  await laboratory.neighbours.putPort('acme', name, 'dpu-a', labels);
  await laboratory.quiet();
};
const remove = async (name: string): Promise<void> => {
  await laboratory.neighbours.removePort('acme', name);
  await laboratory.quiet();
};
const ofPod = (pod: string) => ({ 'outboard.dev/namespace': 'shop', 'outboard.dev/pod': pod });
const names = async (): Promise<readonly string[]> =>
  unwrap(await laboratory.request('list', 'AccelerationSession', {})).items.map(
    ({ metadata }: { metadata: { name: string } }) => metadata.name,
  );
/** What the last event of a session tells. */
const told = (name: string): string => {
  const { transition, json } = laboratory.events.filter((event) => event.name === name).at(-1) ?? {};
  const { reason, message } = findCondition(json?.status.conditions ?? [], 'Planned') ?? {};
  return `${transition} ${reason}: ${message}`;
};

describe('a session whose port is deleted', () => {
  beforeEach(async () => {
    await put('web-0');
    await put('web-1');
    await laboratory.session('s', { programs: COMPRESS, holder: { port: 'web-0' } });
    await laboratory.session('other', { programs: COMPRESS, holder: { port: 'web-1' } });
    await laboratory.session('nobodys');
    await later();
  });

  it('ends at once, is not served any more, and tells why', async () => {
    expect(laboratory.objects('dpu-a')).toHaveLength(3);
    await remove('web-0');
    expect(await names()).toEqual(['nobodys', 'other']);
    expect(laboratory.objects('dpu-a')).toHaveLength(2);
    expect(told('s')).toBe('deleted PortDeleted: port web-0 was deleted');
    // What is made anew under its name is for whoever comes, as any other.
    await laboratory.session('s', { programs: COMPRESS, holder: { port: 'web-0' } });
    expect(laboratory.where('s')).toBe('- 0 PortNotPlaced NotPlanned');
    await put('web-0');
    expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
  });

  it('ends though there is another port of that name by now', async () => {
    await laboratory.neighbours.removePort('acme', 'web-0');
    await put('web-0');
    expect(await names()).toEqual(['nobodys', 'other']);
    expect(told('s')).toBe('deleted PortDeleted: port web-0 was deleted');
  });

  it.each([
    ['was deleted', false],
    ['was deleted, and made anew since', true],
  ])('ends when the broker, which was away, comes and its port %s', async (what, isMadeAnew) => {
    await laboratory.stop();
    await laboratory.neighbours.removePort('acme', 'web-0');
    if (isMadeAnew) await laboratory.neighbours.putPort('acme', 'web-0', 'dpu-a');
    await laboratory.start();
    await laboratory.workers.get('dpu-a')?.sync();
    await laboratory.quiet();
    expect(await names()).toEqual(['nobodys', 'other']);
    expect(told('s')).toBe(`deleted PortDeleted: port web-0 ${what}`);
    expect(laboratory.objects('dpu-a')).toHaveLength(2);
  });

  it('stays while its port only changes, and with another holder follows that one', async () => {
    await put('web-0', { role: 'till' });
    expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
    await laboratory.session('s', { programs: COMPRESS, holder: { port: 'web-1' } });
    await remove('web-0');
    expect(await names()).toEqual(['nobodys', 'other', 's']);
    await later();
    await remove('web-1');
    expect(await names()).toEqual(['nobodys']);
  });
});

describe('the keys of a session whose port is deleted', () => {
  it('leave the DPU: its own are no more, others are where somebody else uses them', async () => {
    const versions = [{ version: 1, sealed: sealedTo('a'.charCodeAt(0)) }];
    const key = (name: string, spec: object) =>
      laboratory.apply('AccelerationKey', name, { algorithm: 'AES_256_GCM', versions, ...spec });
    await put('web-0');
    unwrap(await key('shared', {}));
    const programs = ['own', 'shared'].flatMap((name, index) =>
      encryptWith(name).map((each) => ({ ...each, id: index + 1 })),
    );
    unwrap(
      await laboratory.apply('AccelerationSession', 's', {
        programs,
        holder: { port: 'web-0' },
        tokenSha256: TOKEN_SHA256,
      }),
    );
    unwrap(await key('own', { session: 's' }));
    await laboratory.session('t', { programs: encryptWith('shared') });
    await later();
    const keys = () => laboratory.workers.get('dpu-a')?.keys('key') ?? [];
    expect(keys()).toHaveLength(2);
    await remove('web-0');
    expect(keys()).toHaveLength(1);
    const { items } = unwrap(await laboratory.request('list', 'AccelerationKey', {}));
    expect(items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual(['shared']);
    unwrap(await laboratory.request('delete', 'AccelerationSession', { name: 't' }));
    expect(keys()).toHaveLength(0);
  });
});

describe('a session of a pod', () => {
  it('ends when the port that was made for the pod is deleted, though a pod of that name has another', async () => {
    await laboratory.session('s', { programs: COMPRESS, holder: { pod: 'shop/web' } });
    await laboratory.session('other', { programs: COMPRESS, holder: { pod: 'shop/till' } });
    await put('web-1a', ofPod('web'));
    await put('till-1a', ofPod('till'));
    await later();
    await put('web-2b', ofPod('web'));
    expect(await names()).toEqual(['other', 's']);
    await remove('web-1a');
    expect(await names()).toEqual(['other']);
    expect(told('s')).toBe('deleted PortDeleted: port web-1a was deleted, and made anew since');
  });

  it('stays while the pod has another port of those that it had', async () => {
    await put('web-1', ofPod('web'));
    await put('web-2', ofPod('web'));
    await laboratory.session('s', { programs: COMPRESS, holder: { pod: 'shop/web' } });
    await later();
    await remove('web-1');
    expect(await names()).toEqual(['s']);
    await remove('web-2');
    expect(await names()).toEqual([]);
  });
});

describe('a session that came before the broker has heard that its port is another one', () => {
  beforeEach(async () => {
    await put('web-0');
    await later();
  });

  it('is that one’s', async () => {
    await laboratory.session('s', { programs: COMPRESS, holder: { port: 'web-0' } });
    await remove('web-0');
    expect(await names()).toEqual(['s']);
    await put('web-0');
    await later();
    expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
    await remove('web-0');
    expect(await names()).toEqual([]);
  });

  it('ends a little later if there is none', async () => {
    await laboratory.session('s', { programs: COMPRESS, holder: { port: 'web-0' } });
    await remove('web-0');
    await later();
    expect(await names()).toEqual([]);
    expect(told('s')).toBe('deleted PortDeleted: port web-0 was deleted');
  });
});
