import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Laboratory } from './laboratory.js';

describe('the projection of a service', () => {
  let laboratory: Laboratory;
  beforeEach(async () => {
    laboratory = await Laboratory.open();
  });
  afterEach(() => laboratory.close());
  const revision = (): number => laboratory.store.read((snapshot) => snapshot.revision);

  it('is made at start from everything stored, under a revision that nobody was told of before', async () => {
    await laboratory.intent('blue');
    const before = revision();
    await laboratory.restart();
    expect(laboratory.domain.reloads).toEqual([before + 1]);
    expect(laboratory.domain.networks()).toEqual(laboratory.stored());
  });

  it('is made anew after a failed commit, and again under a revision of its own once a commit works', async () => {
    await laboratory.intent('blue');
    laboratory.store.isDiskFull = true;
    await laboratory.intent('green');
    expect(laboratory.domain.reloads.slice(1)).toEqual([revision()]);
    laboratory.store.isDiskFull = false;
    await laboratory.intent('red');
    expect(laboratory.domain.reloads.slice(2)).toEqual([revision()]);
    await laboratory.intent('green');
    expect(laboratory.domain.reloads).toHaveLength(3);
    expect(laboratory.domain.networks()).toHaveLength(3);
  });

  it('can be read though the disk is full from the start', async () => {
    await laboratory.intent('blue');
    laboratory.diskFullFromStart = true;
    await laboratory.restart();
    expect(await laboratory.request('get', { name: 'blue' })).toMatchObject({ ok: true });
    expect(await laboratory.intent('green')).toMatchObject({ kind: 'retry' });
    laboratory.store.isDiskFull = false;
    expect(await laboratory.intent('green')).toEqual({ kind: 'ack' });
    expect(laboratory.domain.reloads.at(-1)).toBe(revision());
  });

  it('refuses changes after its service was closed', async () => {
    await laboratory.service[Symbol.asyncDispose]();
    expect(await laboratory.intent('blue')).toEqual({
      kind: 'retry',
      reason: 'the service is shutting down',
    });
    await laboratory.restart();
    expect(laboratory.stored()).toEqual([]);
  });
});
