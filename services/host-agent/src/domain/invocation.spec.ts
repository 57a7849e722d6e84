import { describe, expect, it } from '@jest/globals';
import { CNI_CODE, CniError } from './cni-error.js';
import { parseInvocation } from './invocation.js';

const ADD = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/pod',
  CNI_IFNAME: 'eth0',
};

const parse = (environment: Record<string, string>) => parseInvocation(new Map(Object.entries(environment)));

function refusal(environment: Record<string, string>): CniError {
  try {
    parse(environment);
  } catch (failure) {
    if (failure instanceof CniError) return failure;
    throw failure;
  }
  throw new Error('it was not refused');
}

describe('the environment of a call', () => {
  it('is read as the specification names it', () => {
    expect(
      parse({ ...ADD, CNI_ARGS: 'K8S_POD_NAME=web-0;MAC=02:00:00:00:00:01', CNI_NETNS_OVERRIDE: 'TRUE' }),
    ).toEqual({
      command: 'ADD',
      containerId: 'c1',
      ifname: 'eth0',
      netns: '/run/netns/pod',
      netnsOverride: true,
      args: new Map([
        ['K8S_POD_NAME', 'web-0'],
        ['MAC', '02:00:00:00:00:01'],
      ]),
      traceparent: undefined,
    });
  });

  it('must have what the verb needs, and everything that is wrong is told at once', () => {
    const { code, details } = refusal({ CNI_COMMAND: 'ADD', CNI_CONTAINERID: '-x', CNI_ARGS: 'K' });
    expect(code).toBe(CNI_CODE.INVALID_ENVIRONMENT);
    expect(details.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'CNI_NETNS',
      'CNI_IFNAME',
      'CNI_CONTAINERID',
      'CNI_ARGS',
    ]);
  });

  it('of a DEL may lack the namespace, which may be gone', () => {
    const { CNI_NETNS: _, ...rest } = ADD;
    expect(parse({ ...rest, CNI_COMMAND: 'DEL' })).toMatchObject({ command: 'DEL', netns: '' });
    expect(refusal({ ...rest, CNI_COMMAND: 'CHECK' }).details).toBe('CNI_NETNS must be set');
  });

  it('of a DEL is not refused for what it has no use for', () => {
    const { args, netns } = parse({ ...ADD, CNI_COMMAND: 'DEL', CNI_ARGS: 'nonsense', CNI_NETNS: 'nowhere' });
    expect([args.size, netns]).toEqual([0, '']);
    expect(refusal({ ...ADD, CNI_NETNS: 'nowhere' }).details).toBe('CNI_NETNS must be an absolute path');
  });

  it.each(['STATUS', 'GC', 'VERSION'])('of %s needs nothing else, whatever dummies it has', (command) => {
    expect(parse({ CNI_COMMAND: command, CNI_NETNS: 'dummy', CNI_IFNAME: 'dum/my' })).toMatchObject({
      command,
    });
  });

  it.each(['', '.', '..', 'a/b', 'a:b', 'a b', 'sixteen-letters-'])(
    'is refused with the interface name %j',
    (name) => {
      expect(refusal({ ...ADD, CNI_IFNAME: name }).details).toContain('CNI_IFNAME');
    },
  );

  it('passes on a trace context that is one', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(parse({ ...ADD, TRACEPARENT: traceparent }).traceparent).toBe(traceparent);
    expect(parse({ ...ADD, TRACEPARENT: 'x' }).traceparent).toBeUndefined();
  });
});
