import { describe, expect, it } from '@jest/globals';
import { compare, formatTrace } from './trace.js';

const hop = (kind: string, dpu: string) => ({ kind, dpu, name: kind, detail: '' });
const station = (kind: string, dpu: string) => ({ kind, dpu, name: kind });

const ALLOWED = {
  verdict: 'ALLOWED',
  reason: 'NoPolicyApplies',
  path: [
    hop('port', 'dpu-1'),
    hop('representor', 'dpu-1'),
    hop('bridgeDomain', 'dpu-1'),
    hop('representor', 'dpu-1'),
    hop('port', 'dpu-1'),
  ],
};
const WAY = [
  station('port', 'dpu-1'),
  station('representor', 'dpu-1'),
  station('representor', 'dpu-1'),
  station('port', 'dpu-1'),
];

describe('a flow that was sent', () => {
  it('does as explained, when it was answered and seen at every station', () => {
    expect(compare(ALLOWED, { answered: true, seen: WAY }).isAsExplained).toBe(true);
  });

  it.each([
    ['was not answered', { answered: false, seen: WAY }],
    ['was lost on its way', { answered: true, seen: WAY.slice(0, 2) }],
    [
      'was seen elsewhere, too',
      { answered: true, seen: [...WAY.slice(0, 2), station('tunnel', 'dpu-1'), ...WAY.slice(2)] },
    ],
    ['went nowhere', {}],
  ])('does not, when it %s', (_, trace) => {
    expect(compare(ALLOWED, trace).isAsExplained).toBe(false);
  });

  it('does not, when it is answered though it is denied', () => {
    const denied = { ...ALLOWED, verdict: 'DENIED', path: ALLOWED.path.slice(0, 3) };
    expect(compare(denied, { answered: false, seen: WAY.slice(0, 2) }).isAsExplained).toBe(true);
    expect(compare(denied, { answered: true, seen: WAY.slice(0, 2) }).isAsExplained).toBe(false);
  });

  it('may be answered by nobody beyond the router', () => {
    const leaving = { ...ALLOWED, reason: 'LeavesRouter', path: ALLOWED.path.slice(0, 3) };
    expect(compare(leaving, { answered: false, seen: WAY.slice(0, 2) }).isAsExplained).toBe(true);
  });

  it('is told station by station, with what differs', () => {
    const trace = { outcome: 'ETIMEDOUT', seen: [...WAY.slice(0, 2), station('tunnel', 'dpu-1')] };
    expect(
      formatTrace(ALLOWED, trace, compare(ALLOWED, trace)).map((line) => line.trim().replaceAll(/ +/g, ' ')),
    ).toEqual([
      'explained: ALLOWED (NoPolicyApplies)',
      'observed: not answered (ETIMEDOUT)',
      '1. dpu-1 port seen',
      '2. dpu-1 representor seen',
      '3. dpu-1 representor NOT SEEN',
      '4. dpu-1 port NOT SEEN',
      '5. dpu-1 tunnel SEEN, not explained',
      'NOT as explained',
    ]);
  });
});
