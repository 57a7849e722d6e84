// What the IPsec gateway publishes: its methods and the schema of its configuration (JSON Schema 2020-12).
const prefixes = {
  type: 'array',
  minItems: 1,
  maxItems: 64,
  items: { type: 'string', maxLength: 43, description: 'IPv4 or IPv6 prefix.' },
};
const proposals = {
  type: 'array',
  minItems: 1,
  maxItems: 8,
  items: { type: 'string', pattern: '^[a-z0-9_]+(-[a-z0-9_]+)*$', maxLength: 128 },
  description: "In strongSwan's notation, the most wanted first.",
};
const name = { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]{0,46}[a-z0-9])?$' };
const keyName = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' };
const traffic = {
  type: 'object',
  properties: {
    spi: { type: 'string', description: 'Hexadecimal.' },
    packets: { type: 'string', description: 'Decimal digits.' },
    bytes: { type: 'string', description: 'Decimal digits.' },
  },
};

const peer = {
  type: 'object',
  properties: {
    name,
    address: {
      type: 'string',
      maxLength: 39,
      description: 'IP address of the peer, which is its identity too.',
    },
    localAddress: { type: 'string', maxLength: 39, description: 'Absent: the one that leads to the peer.' },
    preSharedKey: { ...keyName, description: 'Name of a key: no configuration has the key itself.' },
    localSubnets: prefixes,
    remoteSubnets: prefixes,
    ikeProposals: proposals,
    espProposals: proposals,
    rekeySeconds: { type: 'integer', minimum: 60, maximum: 86400, description: 'Absent: 3600.' },
  },
  required: ['name', 'address', 'preSharedKey', 'localSubnets', 'remoteSubnets'],
  additionalProperties: false,
};

export const DESCRIPTION = {
  name: 'ipsec',
  version: '1.0.0',
  methods: [
    {
      name: 'status',
      request: { type: 'object', additionalProperties: false },
      response: {
        type: 'object',
        properties: {
          peers: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                name,
                address: { type: 'string' },
                state: { enum: ['ESTABLISHED', 'CONNECTING', 'DOWN'] },
                establishedSeconds: { type: 'integer' },
                ikeProposal: { type: 'string' },
                espProposal: { type: 'string' },
                rekeyingInSeconds: { type: 'integer' },
                localSubnets: { type: 'array', items: { type: 'string' } },
                remoteSubnets: { type: 'array', items: { type: 'string' } },
                inbound: traffic,
                outbound: traffic,
              },
              required: ['name', 'address', 'state'],
            },
          },
        },
        required: ['peers'],
      },
    },
    {
      name: 'rekey',
      request: {
        type: 'object',
        properties: { peer: name },
        required: ['peer'],
        additionalProperties: false,
      },
      response: { type: 'object' },
    },
    {
      name: 'set-key',
      request: {
        type: 'object',
        properties: {
          name: keyName,
          key: { type: 'string', minLength: 16, maxLength: 512, writeOnly: true },
        },
        required: ['name', 'key'],
        additionalProperties: false,
      },
      response: { type: 'object' },
    },
  ],
  configuration: {
    type: 'object',
    properties: { peers: { type: 'array', maxItems: 64, items: peer } },
    required: ['peers'],
    additionalProperties: false,
  },
};
