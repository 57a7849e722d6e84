import { describe, expect, it } from '@jest/globals';
import { AppError } from '@outboard/core';
import fc from 'fast-check';
import {
  type Api,
  parseDpuSubject,
  parseRequestSubject,
  parseResourceSubject,
  type ResourceAddress,
  subjects,
} from './index.js';

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const tenant = fc.oneof(label, fc.constant('_'));
const api = fc.constantFrom<Api>('admin', 'network');
const address: fc.Arbitrary<ResourceAddress> = fc.record({ tenant, api, kind: label, name: label });

describe('subjects', () => {
  it('are the documented ones', () => {
    const port = { tenant: 'acme', api: 'network', kind: 'port', name: 'web-0' } as const;
    expect(subjects.intent(port)).toBe('outboard.v1alpha1.intent.acme.network.port.web-0');
    expect(subjects.event(port, 'ready')).toBe('outboard.v1alpha1.event.acme.network.port.web-0.ready');
    expect(subjects.state(port)).toBe('outboard.v1alpha1.state.acme.network.port.web-0');
    expect(subjects.rpc('acme', 'network', 'port', 'get')).toBe(
      'outboard.v1alpha1.rpc.acme.network.port.get',
    );
    expect(subjects.dpu('dpu-7', 'delta', 'network')).toBe('outboard.v1alpha1.dpu.dpu-7.delta.network');
  });

  it('of filters have a wildcard for what is not given', () => {
    expect(subjects.states({ tenant: 'acme', kind: 'port' })).toBe('outboard.v1alpha1.state.acme.*.port.*');
    expect(subjects.events({})).toBe('outboard.v1alpha1.event.*.*.*.*.*');
    const port = { tenant: 'acme', api: 'network', kind: 'port', name: 'web-0' } as const;
    expect(subjects.states(port)).toBe(subjects.state(port));
    expect(() => subjects.states({ tenant: '>' })).toThrow(AppError);
  });

  it('are parsed into what they were made of, each by one parser only', () => {
    fc.assert(
      fc.property(address, (given) => {
        const made = [subjects.intent(given), subjects.state(given), subjects.event(given, 'accepted')];
        for (const subject of made) {
          expect(parseResourceSubject(subject)).toEqual(given);
          expect(parseRequestSubject(subject)).toBeUndefined();
          expect(parseDpuSubject(subject)).toBeUndefined();
        }
        const { name, ...rest } = given;
        const request = subjects.rpc(given.tenant, given.api, given.kind, 'list');
        expect(parseRequestSubject(request)).toEqual({ ...rest, verb: 'list' });
        expect(parseResourceSubject(request)).toBeUndefined();
        const sync = subjects.dpu(name, 'sync', 'admin');
        expect(parseDpuSubject(sync)).toEqual({ dpu: name, channel: 'sync', owner: 'admin' });
        expect(parseResourceSubject(sync)).toBeUndefined();
      }),
    );
  });

  it.each(['web.0', 'Web', '', '*', '>', 'a b', '-a', 'a'.repeat(64)])(
    'with the hostile name %j are not made, and not taken for another',
    (name) => {
      const port = { tenant: 'acme', api: 'network', kind: 'port', name } as const;
      expect(() => subjects.intent(port)).toThrow(AppError);
      expect(parseResourceSubject(`outboard.v1alpha1.intent.acme.network.port.${name}`)).toBeUndefined();
      expect(parseDpuSubject(`outboard.v1alpha1.dpu.${name}.sync.admin`)).toBeUndefined();
    },
  );

  it('of any text are parsed without throwing, into nothing or what can stand in a subject', () => {
    const token = fc.oneof(
      label,
      fc.string(),
      fc.constantFrom('intent', 'event', 'rpc', 'dpu', '_', 'network'),
    );
    const subject = fc
      .array(token, { maxLength: 7 })
      .map((tokens) => ['outboard.v1alpha1', ...tokens].join('.'));
    fc.assert(
      fc.property(fc.oneof(fc.string(), subject), (text) => {
        const found = parseResourceSubject(text);
        if (found !== undefined) expect(text).toContain(subjects.state(found).split('.').slice(3).join('.'));
        const request = parseRequestSubject(text);
        if (request !== undefined) expect(text.endsWith(`.${request.kind}.${request.verb}`)).toBe(true);
        const dpu = parseDpuSubject(text);
        if (dpu !== undefined) expect(text.endsWith(`.${dpu.dpu}.${dpu.channel}.${dpu.owner}`)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
