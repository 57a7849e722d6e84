// A CNF as a test needs it: publishes one interface, remembers its configuration, and misbehaves when it is told to.
import { createServer } from 'node:http';

const { OUTBOARD_DIRECTORY, MODE = '' } = process.env;
let configuration = null;
let healthy = true;
const description = {
  interfaces: [
    {
      name: 'echo',
      version: process.env.VERSION ?? '1.0.0',
      methods: [
        {
          name: 'say',
          request: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
        },
        { name: 'configuration' },
        { name: 'lie', response: { type: 'object', required: ['truth'] } },
        { name: 'sleep' },
        { name: 'flood' },
        { name: 'fail' },
        { name: 'sicken' },
        { name: 'crash' },
      ],
      configuration: {
        type: 'object',
        additionalProperties: false,
        properties: { level: { type: 'integer', maximum: 10 } },
      },
      yang: 'module echo { namespace "urn:echo"; prefix e; leaf level { type uint8; } }',
    },
  ],
};

const methods = {
  say: ({ text }) => ({ text }),
  configuration: () => ({ configuration }),
  lie: () => ({ lie: true }),
  sleep: () => undefined,
  flood: () => 'x'.repeat(1 << 20),
  fail: () => Object.assign(new Error(), { status: 409 }),
  sicken: () => {
    healthy = false;
    return {};
  },
  crash: () => process.exit(3),
};

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString());
  const answer = (status, value) => {
    if (value === undefined) return;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  const url = new URL(request.url, 'http://cnf');
  if (url.pathname === '/health') return answer(healthy ? 200 : 503, {});
  if (url.pathname === '/interfaces') {
    if (MODE === 'bad-schema') description.interfaces[0].configuration = { type: 'nonsense' };
    if (MODE === 'large') description.interfaces[0].padding = 'x'.repeat(200_000);
    if (MODE === 'silent') return;
    return answer(200, description);
  }
  if (url.pathname === '/interfaces/echo/configuration') {
    if (body.level === 7)
      return answer(400, {
        code: 3,
        status: 'INVALID_ARGUMENT',
        message: 'seven is taken',
        details: [{ fieldViolations: [{ field: 'level', description: 'must not be 7' }] }],
      });
    if (url.searchParams.get('dryRun') !== 'true') configuration = body;
    return answer(200, {});
  }
  const method = /^\/interfaces\/echo\/methods\/(\w+)$/.exec(url.pathname)?.[1];
  const value = methods[method]?.(body);
  if (value instanceof Error) return answer(value.status, { message: 'not now', status: 'ABORTED' });
  return answer(200, value);
});
server.listen(`${OUTBOARD_DIRECTORY}/interfaces.sock`, () => console.log('listening'));
process.on('SIGTERM', () => process.exit(0));
