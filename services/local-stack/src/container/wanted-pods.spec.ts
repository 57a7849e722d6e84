import { expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { type AnyResource, decodeResource } from '@outboard/model';
import { wantedPods } from './wanted-pods.js';

const NOBODY: ReadonlySet<string> = new Set();

/** A Port of dpu-a as the state stream has it. */
function port(name: string, { ready = true, dpu = 'dpu-a', withFunction = true } = {}): AnyResource {
  const conditions = ready
    ? [
        {
          type: 'Ready',
          status: 'True',
          reason: 'AppliedAndReadBack',
          lastTransitionTime: '2026-11-22T10:08:00Z',
        },
      ]
    : [];
  return unwrap(
    decodeResource({
      apiVersion: 'network.outboard.dev/v1alpha1',
      kind: 'Port',
      metadata: {
        tenant: 'acme',
        name,
        uid: '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11',
        generation: 1,
        resourceVersion: '1',
      },
      spec: {
        network: 'blue',
        ...(withFunction && {
          function: { serialNumber: 'OB-SIM-0001', pfMacAddress: '02:0b:00:00:01:00', vfNumber: 3 },
        }),
      },
      status: {
        observedGeneration: 1,
        dpu,
        mtu: 1450,
        macAddress: '02:00:5e:00:10:05',
        addresses: [{ subnet: 'blue-v4', ip: '10.0.1.5', prefixLength: 24, gateway: '10.0.1.1' }],
        conditions,
      },
    }),
  );
}

it('a port that is ready has a pod, configured by the status and without a gateway that nobody answers for', () => {
  expect([...wantedPods('dpu-a', [port('web-0')], NOBODY).values()]).toEqual([
    {
      name: 'acme.web-0',
      vfNumber: 3,
      status: {
        mtu: 1450,
        macAddress: '02:00:5e:00:10:05',
        addresses: [{ ip: '10.0.1.5', prefixLength: 24 }],
      },
    },
  ]);
});

it('a port that is not ready gets no pod, and keeps the one that it has', () => {
  const pending = [port('web-0', { ready: false })];
  expect(wantedPods('dpu-a', pending, NOBODY).size).toBe(0);
  expect([...wantedPods('dpu-a', pending, new Set(['acme.web-0'])).keys()]).toEqual(['acme.web-0']);
});

it('a port that moved to another DPU, lost its function or is gone has no pod here', () => {
  const present = new Set(['acme.web-0', 'acme.web-1', 'acme.web-2']);
  const ports = [port('web-0', { dpu: 'dpu-b' }), port('web-1', { withFunction: false })];
  expect(wantedPods('dpu-a', ports, present).size).toBe(0);
});

it('a pod whose name is too long for a network namespace is left out', () => {
  expect(wantedPods('dpu-a', [port('x'.repeat(59)), port('x'.repeat(60))], NOBODY).size).toBe(1);
});
