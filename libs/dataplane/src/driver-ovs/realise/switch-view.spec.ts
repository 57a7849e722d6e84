import { fromBinary } from '@bufbuild/protobuf';
import { expect, it } from '@jest/globals';
import { DataplaneObjectSchema } from '@outboard/contracts';
import * as d from '../../testing/documents.js';
import { realiseOvs } from './realise-ovs.js';
import { switchView } from './switch-view.js';

const NET = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
const objectOf = ([, bytes]: d.Entry) => fromBinary(DataplaneObjectSchema, bytes);
const underlay = { device: 'p0', address: '10.254.0.1', mtu: 1500 };

it('every object of an endpoint, a network and a way out is shown under the names of whatever has it', () => {
  const domain = d.bridgeDomain(NET);
  const endpoint = d.endpoint('port-1', NET, {
    macAddress: '02:00:5e:00:10:01',
    representor: 'pf0vf0',
    ipAddresses: ['10.0.1.5'],
  });
  const shown = [domain, endpoint, d.egressGateway()].flatMap((entry) => {
    const realisation = realiseOvs(entry[0], objectOf(entry), () => objectOf(domain), {
      underlay,
      lacks: new Map(),
    });
    if (realisation.kind !== 'realised') throw new Error(realisation.kind);
    return realisation.objects.map(({ spec }) => ({
      as: switchView.typeOf(spec.kind),
      ...switchView.attributesOf(spec),
    }));
  });
  expect(shown).toEqual(
    expect.arrayContaining([
      { as: 'interface', name: 'pf0vf0', type: 'system', attached: true },
      { as: 'link', ifname: 'pf0vf0', mtu: 1450, ifiFlags: ['up'] },
      expect.objectContaining({
        as: 'interface',
        name: 'obt-vxlan',
        options: expect.objectContaining({ key: 'flow' }),
      }),
      expect.objectContaining({ as: 'group' }),
      expect.objectContaining({
        as: 'bucket',
        actions: expect.stringMatching(/^set_field:0x.*->xreg0,resubmit\(,15\)$/),
      }),
      expect.objectContaining({
        as: 'flow',
        table: 0,
        match: { in_port: 'pf0vf0' },
        actions: expect.stringMatching(/^set_field:0x.*->metadata,goto_table:1$/),
      }),
      expect.objectContaining({ as: 'table', name: 'outboard-uplink' }),
      expect.objectContaining({ as: 'addr', ifname: 'obe0', local: '169.254.0.1', address: '240.0.0.0' }),
      expect.objectContaining({ as: 'link', ifname: 'obe0', forwarding: true }),
    ]),
  );
});
