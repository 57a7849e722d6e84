/** Of this command and, until there is another, of all of Outboard. */
export const VERSION = '0.1.0';
