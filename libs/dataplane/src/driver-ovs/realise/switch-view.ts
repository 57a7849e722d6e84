import type { DriverView, NetlinkAttributes } from '../../driver.js';
import { netlinkView } from '../../realise/netlink-view.js';
import { actionsText } from '../openflow/action-text.js';
import { FLOW_KINDS, type FlowKind, type OvsSpec } from './ovs-objects.js';

const FLOW_TYPES = Object.fromEntries(FLOW_KINDS.map((kind) => [kind, 'flow'])) as Record<FlowKind, 'flow'>;

/** What the switch's databases and protocols, and for the kernel's part netlink, call each kind of object. */
const TYPES = {
  pipeline: 'pipeline',
  guard: 'table',
  port: 'interface',
  exit: 'link',
  address: 'addr',
  meter: 'meter',
  group: 'group',
  bucket: 'bucket',
  ...FLOW_TYPES,
  responder: 'responder',
  representor: 'link',
} as const satisfies Readonly<Record<OvsSpec['kind'], string>>;

/**
 * Objects as ovs-vswitchd.conf.db(5), ovs-ofctl(8), ovs-fields(7) and ovs-actions(7) name them, so that they can be compared
 * with what these programs show; those of the kernel as netlink does.
 */
export const switchView: DriverView<OvsSpec> = {
  typeOf: (kind) => TYPES[kind],
  forwards: (kind) => ['flow', 'hopexit', 'steering', 'gate'].includes(kind),
  attributesOf(spec): NetlinkAttributes {
    switch (spec.kind) {
      case 'pipeline':
        return { revision: spec.revision, flows: spec.flows };
      case 'port': {
        const { name, type, options, attached } = spec;
        return { name, type, ...(Object.keys(options).length > 0 && { options }), attached };
      }
      case 'exit': {
        const { name: ifname, mac: address, up, forwarding } = spec;
        return { ifname, address, ifiFlags: up ? ['up'] : [], forwarding };
      }
      case 'meter': {
        const { id: meter, rate, burst } = spec;
        return { meter, flags: 'kbps,burst', bands: [{ type: 'drop', rate, burst_size: burst }] };
      }
      case 'group': {
        const { id, type, ways } = spec;
        const buckets = ways?.map(({ weight, actions }) => ({ weight, actions: actionsText(actions) }));
        return { group_id: id, type, ...(buckets && { buckets }) };
      }
      case 'bucket':
        return { group_id: spec.group, bucket_id: spec.id, actions: actionsText(spec.actions) };
      case 'guard':
      case 'address':
      case 'responder':
      case 'representor':
        return netlinkView.attributesOf(spec);
      default: {
        const { table, priority, match, actions } = spec;
        return { table, priority, match, actions: actionsText(actions) };
      }
    }
  },
};
