export * from './driver-linux/linux-driver.js';
export type { LinuxSpec } from './realise/linux-objects.js';
