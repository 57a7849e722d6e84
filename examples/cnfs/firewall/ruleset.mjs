// From a configuration to the text of an nftables ruleset: no input, no output.
import { duplicates, familyOf, prefixProblem } from '../prefixes.mjs';

export const TABLE = 'inet firewall';
/** What `meta mark` says of a packet: by which port it came. */
const CAME_BY = { ingress: 1, egress: 2 };
const DIRECTIONS = ['OUTBOUND', 'INBOUND'];
/** By number (IANA): a container may not have the names of all. */
const PROTOCOLS = { TCP: '6', UDP: '17', ICMP: '{ 1, 58 }' };

/** Nobody gets through, until somebody has said who may. */
export const CLOSED = { rules: [], defaultAction: { outbound: 'DROP', inbound: 'DROP' } };

/** What the schema cannot say: `[{ field, description }]`. */
export function problemsOf({ rules }) {
  const problems = duplicates(rules, 'rules', 'name');
  rules.forEach((rule, index) => {
    const add = (field, description) => problems.push({ field: `rules[${index}].${field}`, description });
    for (const side of ['source', 'destination']) {
      const problem = rule[side] === undefined ? undefined : prefixProblem(rule[side]);
      if (problem !== undefined) add(side, problem);
    }
    if (rule.source !== undefined && rule.destination !== undefined) {
      if (familyOf(rule.source) !== familyOf(rule.destination)) {
        add('destination', 'must be of the same family as source');
      }
    }
    if (rule.destinationPorts !== undefined && !['TCP', 'UDP'].includes(rule.protocol)) {
      add('destinationPorts', 'need protocol TCP or UDP');
    }
    (rule.destinationPorts ?? []).forEach(({ minimum, maximum }, at) => {
      if (minimum > maximum) add(`destinationPorts[${at}].maximum`, 'must not be less than minimum');
    });
  });
  return problems;
}

/** Counters of a configuration, by their names in nftables. */
export const countersOf = ({ rules }) => [
  'invalid',
  ...DIRECTIONS.map((direction) => defaultCounter(direction)),
  ...rules.map(({ name }) => ruleCounter(name)),
];

export const ruleCounter = (name) => `rule-${name}`;
export const defaultCounter = (direction) => `default-${direction.toLowerCase()}`;

/**
 * One transaction, from whatever stands to the configuration. Counters that stay keep what they have counted;
 * `obsolete` are the names of those that go.
 *
 * Each packet is judged by the rules, replies too: on the addresses and ports with which its connection began, and by
 * the port by which it began. So a rule holds for connections that were there before it, and no rule is needed for
 * replies.
 */
export function rulesetOf(configuration, obsolete = []) {
  const { rules, defaultAction } = configuration;
  const chain = (direction) => [
    `  chain ${direction.toLowerCase()} {`,
    ...rules.filter((rule) => rule.direction === direction).map((rule) => `    ${ruleText(rule)}`),
    `    counter name ${defaultCounter(direction)} ${defaultAction[direction.toLowerCase()].toLowerCase()}`,
    '  }',
  ];
  const { ingress, egress } = CAME_BY;
  return [
    `table ${TABLE}`,
    `flush table ${TABLE}`,
    ...countersOf(configuration).map((name) => `add counter ${TABLE} ${name}`),
    ...obsolete.map((name) => `delete counter ${TABLE} ${name}`),
    `table ${TABLE} {`,
    '  chain forward {',
    '    type filter hook forward priority filter; policy drop;',
    // Without them there would be no neighbours, as without ARP.
    '    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept',
    '    ct state invalid counter name invalid drop',
    '    ct state related accept',
    `    ct direction . meta mark vmap {`,
    `      original . ${ingress} : goto outbound, reply . ${egress} : goto outbound,`,
    `      original . ${egress} : goto inbound, reply . ${ingress} : goto inbound }`,
    '  }',
    ...DIRECTIONS.flatMap(chain),
    '}',
    // The bridge itself: who came by which port, and nothing but IP and ARP.
    'table bridge firewall',
    'flush table bridge firewall',
    'table bridge firewall {',
    '  chain prerouting {',
    '    type filter hook prerouting priority -300; policy accept;',
    ...Object.entries(CAME_BY).map(([port, mark]) => `    iifname ${port} meta mark set ${mark}`),
    '  }',
    '  chain forward {',
    '    type filter hook forward priority filter; policy drop;',
    '    ether type { arp, ip, ip6 } accept',
    '  }',
    '}',
    '',
  ].join('\n');
}

function ruleText({ name, protocol, source, destination, destinationPorts, action }) {
  const address = (prefix, end) => `ct original ${familyOf(prefix) === 6 ? 'ip6' : 'ip'} ${end} ${prefix}`;
  const ports = destinationPorts?.map(({ minimum, maximum }) => `${minimum}-${maximum}`);
  return [
    ...(protocol === undefined ? [] : [`meta l4proto ${PROTOCOLS[protocol]}`]),
    ...(source === undefined ? [] : [address(source, 'saddr')]),
    ...(destination === undefined ? [] : [address(destination, 'daddr')]),
    ...(ports === undefined ? [] : [`ct original proto-dst { ${ports.join(', ')} }`]),
    `counter name ${ruleCounter(name)}`,
    action.toLowerCase(),
  ].join(' ');
}
