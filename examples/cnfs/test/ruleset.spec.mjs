import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { CLOSED, countersOf, problemsOf, rulesetOf } from '../firewall/ruleset.mjs';
import { run } from '../run.mjs';

const rule = (more) => ({ name: 'web', direction: 'OUTBOUND', action: 'ACCEPT', ...more });
const configuration = (...rules) => ({ ...CLOSED, rules });

/** Whether nft(8) takes a text, in a network namespace of its own. */
const taken = (...texts) =>
  run('unshare', ['--net', 'sh', '-e', '-c', texts.map((text) => `nft -f - <<'END'\n${text}END\n`).join('')]);

describe("a firewall's configuration", () => {
  it('is refused with every problem at once', () => {
    const problems = problemsOf(
      configuration(
        rule({ source: '10.0.0.0/33' }),
        rule({ name: 'other', source: '10.0.0.0/8', destination: 'fd00::/8' }),
        rule({ destinationPorts: [{ minimum: 2, maximum: 1 }] }),
      ),
    );
    expect(problems).toEqual([
      { field: 'rules[2].name', description: 'must be unique' },
      { field: 'rules[0].source', description: 'must be an IPv4 or IPv6 prefix' },
      { field: 'rules[1].destination', description: 'must be of the same family as source' },
      { field: 'rules[2].destinationPorts', description: 'need protocol TCP or UDP' },
      { field: 'rules[2].destinationPorts[0].maximum', description: 'must not be less than minimum' },
    ]);
  });

  it('becomes rules in their order, each with its counter, before the default', () => {
    const text = rulesetOf({
      rules: [
        rule({
          protocol: 'TCP',
          destination: '10.2.0.0/16',
          destinationPorts: [{ minimum: 80, maximum: 81 }],
        }),
        rule({ name: 'none', action: 'DROP' }),
        rule({ name: 'ping', direction: 'INBOUND', protocol: 'ICMP', source: 'fd00::/8' }),
      ],
      defaultAction: { outbound: 'ACCEPT', inbound: 'DROP' },
    });
    const chainOf = (name) => text.split(`  chain ${name} {\n`)[1].split('\n  }')[0].split('\n');
    expect(chainOf('outbound')).toEqual([
      '    meta l4proto 6 ct original ip daddr 10.2.0.0/16 ct original proto-dst { 80-81 } counter name rule-web accept',
      '    counter name rule-none drop',
      '    counter name default-outbound accept',
    ]);
    expect(chainOf('inbound')).toEqual([
      '    meta l4proto { 1, 58 } ct original ip6 saddr fd00::/8 counter name rule-ping accept',
      '    counter name default-inbound drop',
    ]);
  });

  it('replaces any other one, in one transaction that the kernel takes', async () => {
    const first = configuration(rule({ protocol: 'UDP', destinationPorts: [{ minimum: 53, maximum: 53 }] }));
    const second = configuration(rule({ name: 'ping', protocol: 'ICMP' }), rule({ name: 'rest' }));
    const obsolete = countersOf(first).filter((name) => !countersOf(second).includes(name));
    expect(obsolete).toEqual(['rule-web']);
    await taken(rulesetOf(CLOSED), rulesetOf(first), rulesetOf(second, obsolete), rulesetOf(second));
  });
});

describe("the firewall's YANG module", () => {
  const MODULE = 'outboard-example-firewall';

  /** Whether yanglint(1) takes a configuration. */
  const valid = async (data) => {
    const directory = mkdtempSync(join(tmpdir(), 'cnf-yang-'));
    try {
      const file = join(directory, 'data.json');
      const named = Object.entries(data).map(([key, value]) => [`${MODULE}:${key}`, value]);
      writeFileSync(file, JSON.stringify(Object.fromEntries(named)));
      const module = fileURLToPath(new URL(`../firewall/${MODULE}.yang`, import.meta.url));
      await run('yanglint', ['--type', 'config', module, file]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };

  it('takes what the schema takes, and refuses what is refused', async () => {
    const ports = (minimum, maximum) => ({ protocol: 'TCP', destinationPorts: [{ minimum, maximum }] });
    await valid(configuration(rule({ ...ports(80, 81), source: '10.0.0.0/8' }), rule({ name: 'rest' })));
    await expect(valid(configuration(rule(ports(81, 80))))).rejects.toThrow();
    await expect(valid(configuration(rule({ source: '10.0.0.0/33' })))).rejects.toThrow();
    await expect(valid(configuration(rule({ action: 'HOLD' })))).rejects.toThrow();
  });
});
