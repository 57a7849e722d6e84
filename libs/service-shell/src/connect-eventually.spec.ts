import { describe, expect, it } from '@jest/globals';
import { AppError, systemRandom } from '@outboard/core';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import { connectEventually } from './connect-eventually.js';

describe('the first connection', () => {
  const bench = () => {
    const clock = new ManualClock();
    const log = new RecordingLog();
    const abort = new AbortController();
    return { clock, log, abort, ports: { clock, log, random: systemRandom, signal: abort.signal } };
  };

  it.each(['UNAVAILABLE', 'UNAUTHENTICATED', 'INTERNAL'] as const)(
    'is tried again after %s',
    async (code) => {
      const { clock, log, ports } = bench();
      let attempts = 0;
      const connected = connectEventually(async () => {
        if (++attempts < 4) throw new AppError(code, 'not yet');
        return 'bus';
      }, ports);
      await clock.advance(60_000);
      expect(await connected).toBe('bus');
      expect(log.at('warn')).toEqual(Array(3).fill('no bus yet: not yet'));
    },
  );

  it('is waited for with a word at once, and not two of the same with one attempt', async () => {
    const { clock, log, ports } = bench();
    const why = new AppError('UNAVAILABLE', 'nobody listens');
    let giveUp = (_: AppError): void => {};
    void connectEventually<never>((waiting) => {
      waiting(why);
      return new Promise((_, reject) => {
        giveUp = reject;
      });
    }, ports);
    expect(log.at('warn')).toEqual(['no bus yet: nobody listens']);
    giveUp(why);
    await clock.advance(60_000);
    expect(log.at('warn')).toEqual(Array(2).fill('no bus yet: nobody listens'));
    giveUp(new AppError('UNAUTHENTICATED', 'no such user'));
    await clock.advance(0);
    expect(log.at('warn').at(-1)).toBe('no bus yet: no such user');
  });

  it('is given up when its parameters are wrong', async () => {
    const { ports } = bench();
    const wrong = new AppError('INVALID_ARGUMENT', 'no such scheme');
    await expect(connectEventually(() => Promise.reject(wrong), ports)).rejects.toBe(wrong);
  });

  it('is not tried any more once the worker ends', async () => {
    const { clock, abort, ports } = bench();
    let attempts = 0;
    void connectEventually(async () => {
      attempts++;
      throw new AppError('UNAVAILABLE', 'not yet');
    }, ports);
    await clock.advance(0);
    abort.abort();
    await clock.advance(60_000);
    expect(attempts).toBe(1);
    expect(clock.nextAlarmIn).toBeUndefined();
  });
});
