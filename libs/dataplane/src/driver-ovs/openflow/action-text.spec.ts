import { execFileSync } from 'node:child_process';
import { expect, it } from '@jest/globals';
import { PIPELINE } from '../realise/pipeline.js';
import { actionsText } from './action-text.js';
import { matchText } from './fields.js';
import { addFlow, encodeMessage, type Flow } from './messages.js';

const PORTS = { numberOf: () => 7, nameOf: () => 'pf0vf0' };
const ofctl = (args: readonly string[], input = ''): string =>
  execFileSync('ovs-ofctl', ['-O', 'OpenFlow15', ...args], { input, encoding: 'latin1' });
const actionsIn = (text: string): string[] =>
  [...text.matchAll(/actions=(.*)/g)].map(([, actions]) => actions ?? '');

const OTHERS: readonly Flow[] = [
  {
    table: 14,
    priority: 1,
    match: { eth_type: 0x0800, ct_state: '+est-inv+trk' },
    actions: [
      {
        ct: {
          zone: 40_000,
          commit: true,
          force: true,
          table: 15,
          nat: { source: '240.0.0.7' },
          set: { ct_mark: 5 },
        },
      },
    ],
  },
  {
    table: 0,
    priority: 1,
    match: { in_port: '7', eth_type: 0x0800 },
    actions: [
      // Behind others it is refused.
      { meter: 9 },
      { pushVlan: true },
      { set: 'vlan_vid', to: 0x1065 },
      { popVlan: true },
      { decrementTtl: true },
      { group: 4 },
      { output: '7' },
      { ct: { zone: 1, nat: {} } },
      { resubmit: 5 },
    ],
  },
];

it('actions are written as the programs of the switch read them, and as they show them', () => {
  const flows = [...PIPELINE, ...OTHERS];
  const asText = flows
    .map(
      (flow) =>
        `${[`table=${flow.table}`, matchText(flow.match)].filter(Boolean).join(',')},actions=${actionsText(flow.actions)}`,
    )
    .join('\n');
  const sent = flows.map((flow) => encodeMessage(addFlow({ ...flow, cookie: 0n }, PORTS), 1).toString('hex'));
  const read = actionsIn(ofctl(['parse-flows', '-'], asText));
  expect(read).toEqual(sent.flatMap((message) => actionsIn(ofctl(['ofp-print', message]))));
  expect(read).toHaveLength(flows.length);
});
