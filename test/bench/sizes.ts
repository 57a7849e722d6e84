/** `--quick`: as small as it can be, which shows that a benchmark runs; what it says of speed means nothing then. */
export const isQuick = process.argv.includes('--quick');

/** How many, how much or how long; with `--quick` the second. */
export const sized = (full: number, quick: number): number => (isQuick ? quick : full);
