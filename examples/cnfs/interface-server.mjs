// What a CNF does to publish interfaces: it serves HTTP/1.1 on a Unix socket, which the worker of its DPU calls. Copy it, or write the
// same in your language; docs/cnfs.md is the contract. It uses Node's own modules only.
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const MAX_BODY_BYTES = 1 << 20;

/** HTTP statuses of the canonical codes that a CNF needs (google.rpc.Code; AIP-193). */
const CODES = {
  INVALID_ARGUMENT: [3, 400],
  NOT_FOUND: [5, 404],
  RESOURCE_EXHAUSTED: [8, 413],
  FAILED_PRECONDITION: [9, 400],
  INTERNAL: [13, 500],
  UNAVAILABLE: [14, 503],
};

/** An answer that says no, and which fields are why: `[{ field: 'rules[0].source', description: 'must be ...' }]`. */
export class Refusal extends Error {
  constructor(status, message, violations = []) {
    super(message);
    this.status = status;
    this.violations = violations;
  }

  /** INVALID_ARGUMENT with all problems at once. */
  static invalid(violations) {
    const count = violations.length === 1 ? '1 problem' : `${violations.length} problems`;
    return new Refusal('INVALID_ARGUMENT', count, violations);
  }
}

/**
 * Serves interfaces on `<directory>/interfaces.sock`. Of each: `description` is what is published of it (name, version,
 * methods with their schemas, the schema of its configuration), `call(method, request)` and
 * `configure(configuration, { dryRun })` do the work, one after the other. Both may throw a Refusal.
 * `isHealthy()` says whether the CNF works. Resolves with a function that ends it.
 */
export async function serveInterfaces({ directory, interfaces, isHealthy }) {
  const path = join(directory, 'interfaces.sock');
  const byName = new Map(interfaces.map((each) => [each.description.name, each]));
  let last = Promise.resolve();
  const inTurn = (work) => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };

  const answer = async (request) => {
    const { pathname, searchParams } = new URL(request.url, 'http://cnf');
    const route = `${request.method} ${pathname}`;
    if (route === 'GET /health') {
      if (await isHealthy()) return { healthy: true };
      throw new Refusal('UNAVAILABLE', 'not healthy');
    }
    if (route === 'GET /interfaces') return { interfaces: interfaces.map(({ description }) => description) };
    const called = /^POST \/interfaces\/([^/]+)\/methods\/([^/]+)$/.exec(route);
    if (called !== null) {
      const [, name, method] = called;
      const found = byName.get(name);
      if (!found?.description.methods.some((each) => each.name === method)) {
        throw new Refusal('NOT_FOUND', `there is no method ${method} of interface ${name}`);
      }
      const body = await readJson(request);
      return inTurn(() => found.call(method, body));
    }
    const configured = /^PUT \/interfaces\/([^/]+)\/configuration$/.exec(route);
    if (configured !== null) {
      const found = byName.get(configured[1]);
      if (found === undefined) throw new Refusal('NOT_FOUND', `there is no interface ${configured[1]}`);
      const body = await readJson(request);
      await inTurn(() => found.configure(body, { dryRun: searchParams.get('dryRun') === 'true' }));
      return {};
    }
    throw new Refusal('NOT_FOUND', `there is no ${route}`);
  };

  const server = createServer((request, response) => {
    answer(request).then(
      (result) => send(response, 200, result),
      (failure) => send(response, ...errorOf(failure)),
    );
  });
  // What an earlier process of the same CNF has left; the worker runs one at a time.
  rmSync(path, { force: true });
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(path, resolve);
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
}

/** The body, `{}` if there is none. */
async function readJson(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Refusal('RESOURCE_EXHAUSTED', `more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (length === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal('INVALID_ARGUMENT', 'the body is not JSON');
  }
}

function errorOf(failure) {
  const status = failure instanceof Refusal ? failure.status : 'INTERNAL';
  const [code, httpStatus] = CODES[status];
  const details =
    failure.violations?.length > 0
      ? [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: failure.violations }]
      : [];
  return [httpStatus, { code, status, message: failure.message, details }];
}

function send(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
