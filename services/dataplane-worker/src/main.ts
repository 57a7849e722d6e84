import { setFlagsFromString } from 'node:v8';

// A worker has to fit a DPU: memory before speed. With 1,000 ports this is 120 MiB instead of 240. Set before anything
// else is loaded, and here, as nobody starts a process with flags that he does not know of. The heap is collected
// whenever it has grown by half: by a fifth saves no more, and --optimize-for-size neither, and over a large document the one
// takes a quarter longer and the other twice as long.
setFlagsFromString('--heap-growing-percent=50');
// The young generation stays at its first megabyte.
setFlagsFromString('--semi-space-growth-factor=1');
process.setSourceMapsEnabled(false);

await import('./nest/run-worker.js');
