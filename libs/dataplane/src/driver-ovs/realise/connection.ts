import type { DriverObject } from '../../driver.js';
import { linkKey } from '../../realise/linux-keys.js';
import { trunkName, vlanPortName } from '../../realise/names.js';
import { flowObject } from './members.js';
import { type OvsSpec, PIPELINE_KEY, portKey, TABLE, VLAN_PRESENT } from './ovs-objects.js';
import type { Segment } from './segment.js';

type Objects = readonly DriverObject<OvsSpec>[];

/** How a port's untagged frames get into the bridge and out of it. */
export interface Connection {
  /** The port of the bridge by which they do. */
  readonly device: string;
  readonly ports: Objects;
  /** What is made when the gate with that key is there; undefined: the port is administratively down and has none. */
  last(gate: string | undefined, segment: Segment): Objects;
}

/** The representor itself. */
export const ofRepresentor = (representor: string): Connection => ({
  device: representor,
  ports: [
    {
      key: portKey(representor),
      spec: { kind: 'port', name: representor, type: 'system', options: {}, attached: true },
      after: [],
      requires: [linkKey(representor)],
    },
  ],
  last: (gate, { mtu }) => [
    {
      key: linkKey(representor),
      spec: { kind: 'representor', name: representor, mtu, up: gate !== undefined },
      after: [gate ?? portKey(representor)],
    },
  ],
});

/**
 * A VLAN of a representor that is another port: a patch from the bridge to itself. What comes from the representor with the tag
 * goes into one end without it, and out of the other it is a packet of a port like any other, of which nothing is known yet.
 */
export function ofVlan(portUid: string, representor: string, vlanId: number): Connection {
  const [own, trunk] = [vlanPortName(portUid), trunkName(portUid)];
  const vlan = VLAN_PRESENT + vlanId;
  const patch = (name: string, peer: string): DriverObject<OvsSpec> => ({
    key: portKey(name),
    spec: { kind: 'port', name, type: 'patch', options: { peer }, attached: true },
    after: [portKey(representor)],
  });
  const needed = [portKey(representor), portKey(trunk), PIPELINE_KEY];
  return {
    device: own,
    ports: [patch(own, trunk), patch(trunk, own)],
    last: (gate) =>
      gate === undefined
        ? []
        : [
            flowObject(
              TABLE.INGRESS,
              10,
              { in_port: trunk },
              [{ pushVlan: true }, { set: 'vlan_vid', to: vlan }, { output: representor }],
              needed,
            ),
            flowObject(
              TABLE.INGRESS,
              20,
              { in_port: representor, vlan_vid: vlan },
              [{ popVlan: true }, { output: trunk }],
              [...needed, gate],
            ),
          ],
  };
}
