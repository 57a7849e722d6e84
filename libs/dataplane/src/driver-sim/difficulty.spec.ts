import { afterEach, describe, expect, it } from '@jest/globals';
import { type AppError, type Result, systemRandom } from '@outboard/core';
import type { OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { driverWithFaults, parseDifficulty, parseFaults, parseHardware } from './difficulty.js';
import { SimDriver } from './sim-driver.js';
import { SimSwitch } from './sim-switch.js';

const problemsOf = (parsed: Result<object, AppError>): string =>
  parsed.ok
    ? ''
    : parsed.error.violations.map(({ field, description }) => `${field} ${description}`).join('; ');

const NET = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';

describe('what makes a simulated switch hard to work with, as text', () => {
  it('is tables of hardware, with all fields or with some', () => {
    expect(parseHardware('0=64:in_port+tun_id,10=1000')).toEqual({
      ok: true,
      value: { 0: { entries: 64, fields: ['in_port', 'tun_id'] }, 10: { entries: 1000 } },
    });
  });

  it.each([
    ['', ' must be <table>=<entries>'],
    ['1', '1 must be <table>=<entries>'],
    ['0=64:', '0=64: must be <table>=<entries>'],
    ['255=1', '255=1 must be of a table of 0 to 254'],
    ['0=1000001', '0=1000001 must have 0 to 1000000 entries'],
    ['0=1:in_port+colour', 'must have fields of ovs-fields(7), not colour'],
    ['0=1:constructor', 'not constructor'],
    ['0=1,0=2', '0=2 must be there once'],
  ])('that is no table is refused with the rule: %j', (text, rule) => {
    const parsed = parseHardware(text);
    expect(problemsOf(parsed)).toContain(rule);
  });

  it('is how often operations fail, and how often they only pretend', () => {
    expect(parseFaults('failing=0.05,lying=.01')).toEqual({
      ok: true,
      value: { failing: 0.05, lying: 0.01 },
    });
    expect(parseFaults('lying=1')).toEqual({ ok: true, value: { failing: 0, lying: 1 } });
  });

  it.each([
    ['', 'must be failing or lying'],
    ['breaking=1', 'breaking must be failing or lying'],
    ['failing=2', 'failing must be a number of 0 to 1, not 2'],
    ['failing=x,lying', 'lying must be a number of 0 to 1, not '],
    ['failing=1,failing=1', 'failing must be there once'],
  ])('that is no share of faults is refused with the rule: %j', (text, rule) => {
    const parsed = parseFaults(text);
    expect(problemsOf(parsed)).toContain(rule);
  });

  it('is what options give; what is absent is no difficulty', () => {
    expect(parseDifficulty({ faults: 'lying=1', 'table-entries': '7' })).toEqual({
      ok: true,
      value: { faults: { failing: 0, lying: 1 }, tableEntries: 7 },
    });
  });

  it.each(['0', '1000001', '1e3', '', '-1', '1.5'])('room for %j flows is refused with the rule', (text) => {
    const parsed = parseDifficulty({ 'table-entries': text });
    expect(problemsOf(parsed)).toBe(`table-entries must be 1-1000000, not ${text}`);
  });

  it('that breaks rules of several options is refused with all of them, each by its option', () => {
    const parsed = parseDifficulty({ latency: 'speed=2', hardware: '255=1', faults: 'failing=2' });
    expect(problemsOf(parsed)).toMatch(
      /^latency: speed must be .+; hardware: 255=1 must be of .+; faults: failing must be a number .+, not 2$/,
    );
  });
});

describe('a simulated switch whose operations go wrong by chance', () => {
  let probe: EngineProbe<OvsSpec>;
  afterEach(() => probe[Symbol.asyncDispose]());

  it('has everything in the end, and is told to have nothing that it only pretended to have', async () => {
    const vswitch = new SimSwitch();
    vswitch.plug('pf0vf1');
    // As fractions come by turns, some operations fail and some only pretend.
    const fractions = [0.9, 0.05, 0.9, 0.9, 0.15, 0.9, 0.9];
    let drawn = 0;
    const random = { ...systemRandom, fraction: () => fractions[drawn++ % fractions.length] ?? 0 };
    const driver = driverWithFaults(new SimDriver({ vswitch }), { failing: 0.1, lying: 0.1 }, random);
    probe = await EngineProbe.start(driver);
    const fields = {
      macAddress: '02:00:5e:00:10:01',
      representor: 'pf0vf1',
      ipAddresses: ['10.0.1.1'],
    };
    probe.engine.submit(d.document(1, [d.router(), d.bridgeDomain(NET), d.endpoint('port-1', NET, fields)]));
    await probe.until(({ version, problems }) => version.sequence === 1n && problems.length === 0);
    expect(drawn).toBeGreaterThan(fractions.length);
    const query = { type: '', after: '', limit: 500, matches: () => true };
    for (const { key } of probe.engine.inspect(query).objects) expect(vswitch.get(key)).toBeDefined();
  });
});
