import { describe, expect, it } from '@jest/globals';
import { isLabel } from '@outboard/contracts';
import { labelValueProblem } from '@outboard/model';
import { portLabels, portNameOf } from './attachment.js';

describe('the port of an attachment', () => {
  it('has a name that says whose it is, and that only this interface of this container has', () => {
    const name = portNameOf('c1', 'eth0', 'web-0');
    expect(name).toMatch(/^web-0-eth0-[0-9a-f]{12}$/);
    expect(portNameOf('c1', 'eth0', 'web-0')).toBe(name);
    expect(portNameOf('c2', 'eth0', 'web-0')).not.toBe(name);
    expect(portNameOf('c1', 'eth1', 'web-0')).not.toBe(name);
  });

  it.each(['-', 'Web_0.example', 'ä', 'x'.repeat(253), undefined])(
    'has a name that is one for the pod %j',
    (pod) => {
      expect(isLabel(portNameOf('0123456789abcdef', 'net1.100', pod))).toBe(true);
    },
  );

  it('has labels that are labels, and the host by which its agent finds it', () => {
    const pod = { namespace: 'team-a', name: 'p'.repeat(253) };
    const labels = portLabels('worker-1', `${'c'.repeat(62)}__tail`, pod, { app: 'web' });
    expect(labels).toMatchObject({
      app: 'web',
      'outboard.dev/host': 'worker-1',
      'outboard.dev/namespace': 'team-a',
    });
    expect(labels).not.toHaveProperty(['outboard.dev/pod']);
    for (const value of Object.values(labels)) expect(labelValueProblem(value)).toBeUndefined();
  });
});
