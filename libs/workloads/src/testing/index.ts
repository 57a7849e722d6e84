export * from './workload-lab.js';
