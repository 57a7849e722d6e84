export { OvsDriver, type OvsDriverOptions } from './driver-ovs/ovs-driver.js';
export { type OvsSpec, UNDERLAY_BRIDGE } from './driver-ovs/realise/ovs-objects.js';
