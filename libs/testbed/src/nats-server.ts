import type { ProgramSpecification } from './program.js';

/**
 * nats-server as a program: ready when its log says so, which has to go to standard error (the default).
 * `PATH` finds it; Debian puts it into /usr/sbin.
 */
export const natsServerProgram = (
  configurationFile: string,
): Pick<ProgramSpecification, 'command' | 'isReady'> => ({
  command: ['nats-server', '-c', configurationFile],
  isReady: (line) => line.endsWith('Server is ready'),
});
