// What the firewall publishes: its methods, and its configuration as JSON Schema (2020-12) and as a YANG module (RFC 7950).
import { readFileSync } from 'node:fs';

const counter = {
  type: 'object',
  properties: {
    packets: { type: 'string', description: 'Decimal digits.' },
    bytes: { type: 'string', description: 'Decimal digits.' },
  },
  required: ['packets', 'bytes'],
};

const action = { enum: ['ACCEPT', 'DROP'] };
const port = { type: 'integer', minimum: 0, maximum: 65535 };
const nothing = { type: 'object', additionalProperties: false };

const rule = {
  type: 'object',
  properties: {
    name: { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]{0,46}[a-z0-9])?$' },
    direction: {
      enum: ['OUTBOUND', 'INBOUND'],
      description: 'Of connections: OUTBOUND begin at the ingress port, where the steered ports are.',
    },
    protocol: { enum: ['TCP', 'UDP', 'ICMP'], description: 'Absent: any. ICMP: of both families.' },
    source: { type: 'string', maxLength: 43, description: 'IPv4 or IPv6 prefix; absent: any.' },
    destination: { type: 'string', maxLength: 43, description: 'IPv4 or IPv6 prefix; absent: any.' },
    destinationPorts: {
      type: 'array',
      minItems: 1,
      maxItems: 16,
      items: {
        type: 'object',
        properties: { minimum: port, maximum: port },
        required: ['minimum', 'maximum'],
        additionalProperties: false,
      },
      description: 'Absent: any. Only with TCP and UDP.',
    },
    action,
  },
  required: ['name', 'direction', 'action'],
  additionalProperties: false,
};

export const DESCRIPTION = {
  name: 'firewall',
  version: '1.0.0',
  methods: [
    {
      name: 'counters',
      request: nothing,
      response: {
        type: 'object',
        properties: {
          rules: { type: 'object', additionalProperties: counter, description: 'By name.' },
          defaultAction: { type: 'object', properties: { outbound: counter, inbound: counter } },
          invalid: counter,
        },
        required: ['rules', 'defaultAction', 'invalid'],
      },
    },
    {
      name: 'ruleset',
      request: nothing,
      response: {
        type: 'object',
        properties: { text: { type: 'string', description: 'As nft(8) lists it.' } },
        required: ['text'],
      },
    },
  ],
  configuration: {
    type: 'object',
    properties: {
      rules: { type: 'array', maxItems: 256, items: rule, description: 'The first that matches decides.' },
      defaultAction: {
        type: 'object',
        properties: { outbound: action, inbound: action },
        required: ['outbound', 'inbound'],
        additionalProperties: false,
        description: 'Of connections that no rule matches.',
      },
    },
    required: ['rules', 'defaultAction'],
    additionalProperties: false,
  },
  yang: readFileSync(new URL('./outboard-example-firewall.yang', import.meta.url), 'utf8'),
};
