import type { Probe as ProbeMessage } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { numberIn, parseWords } from './parse-parts.js';
import type { Probe } from './spec.js';

const HTTP_PATH = /^\/[!-~]{0,254}$/;
const MAX_INITIAL_DELAY_SECONDS = 3600;

export function parseProbe(message: ProbeMessage, field: string, problems: Problems): Probe | undefined {
  const { exec, httpPath, initialDelaySeconds } = message;
  if (exec.length > 0 === (httpPath !== '')) problems.add(field, 'must have either exec or httpPath');
  parseWords(`${field}.exec`, exec, problems);
  if (httpPath !== '' && !HTTP_PATH.test(httpPath))
    problems.add(`${field}.httpPath`, 'must be a path of at most 255 printable ASCII characters, from /');
  if (initialDelaySeconds > MAX_INITIAL_DELAY_SECONDS)
    problems.add(`${field}.initialDelaySeconds`, `must be 0 to ${MAX_INITIAL_DELAY_SECONDS}`);
  const number = (
    name: 'periodSeconds' | 'timeoutSeconds' | 'failureThreshold',
    most: number,
    absent: number,
  ): number => numberIn(`${field}.${name}`, message[name], { least: 1, most, absent }, problems);
  return {
    action: httpPath === '' ? { kind: 'exec', command: [...exec] } : { kind: 'http', path: httpPath },
    periodSeconds: number('periodSeconds', 3600, 5),
    timeoutSeconds: number('timeoutSeconds', 60, 1),
    failureThreshold: number('failureThreshold', 100, 3),
    initialDelaySeconds,
  };
}
