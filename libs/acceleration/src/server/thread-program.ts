/** A program of a thread in this directory. Threads run what was built, whatever their owner was loaded from. */
export const threadProgram = (name: string): URL =>
  new URL(`./${name}.js`, import.meta.url.replace(/\/src\/(server\/[^/]+)\.ts$/, '/dist/$1.js'));
