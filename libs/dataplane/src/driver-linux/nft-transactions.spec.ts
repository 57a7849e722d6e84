import { describe, expect, it } from '@jest/globals';
import { hasDestroy } from './nft-transactions.js';

describe('removals that do not mind absence', () => {
  it.each([
    ['5.15.0-1', false],
    ['6.1.0-56-cloud-amd64', false],
    ['6.2.16', false],
    ['6.3.0', true],
    ['6.18.44', true],
    ['7.0-rc1', true],
  ])('a kernel %s has them: %s', (release, has) => {
    expect(hasDestroy(release)).toBe(has);
  });
});
