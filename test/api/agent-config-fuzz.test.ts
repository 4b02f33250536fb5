// Hostile configuration files: whatever the text, reading it gives a configuration or an AgentConfigError that names its path.

import { expect } from 'chai';
import fc from 'fast-check';
import { parseAgentConfig, stringifyAgentConfig } from '../../src/api/agent-config.ts';
import { AgentConfigError } from '../../src/api/errors.ts';
import { fullAgentConfig } from '../support/full-agent-config.ts';
import { expectAnswers, inputCount, mutated, withstands } from '../support/hostile.ts';

const numRuns = inputCount(2_000);

const valid = `connection:
  engine: engine.example.com:443
  mtls: {certFile: /c, keyFile: /k}
  transport:
    mode: auto
    proxy: {http: "http://proxy:3128", headers: {x-a: b}}
tunnel:
  name: &name web
  publish: true
  labels: {a: *name, constructor: c, __proto__: d}
  trustedIPs: [10.0.0.0/8]
target: {host: web.shop.svc, port: "80", protocol: TCP}
retry: {initial: 1s, max: 30s}
`;

const keys = fc.constantFrom(
  'connection',
  'engine',
  'tunnel',
  'labels',
  'target',
  'port',
  'http',
  '__proto__',
  'x',
);
const shapes = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('', '80', 'a:1', 0, -1, 1e300, true, null),
    fc.string(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 4 }),
  ),
})).value;

type Path = readonly (string | number)[];

/** Every place in a configuration, groups and their keys alike. */
function placesIn(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => placesIn(inner, [...path, key]))];
}

/** What lies around the place, groups beside it left out; and the place itself left out or given this value. */
function around(value: unknown, [key, ...rest]: Path, instead: { readonly value?: unknown }): unknown {
  if (key === undefined) return instead.value;
  const beside = Object.entries(value ?? {}).filter(([, inner]) => typeof inner !== 'object');
  const copy = Object.assign(Array.isArray(value) ? [] : {}, Object.fromEntries(beside));
  if (rest.length === 0 && !('value' in instead)) Reflect.deleteProperty(copy, key);
  else copy[key] = around(Object.entries(value ?? {}).find(([name]) => name === key)?.[1], rest, instead);
  return copy;
}

const { connection, target } = fullAgentConfig;
const needed = { connection: { engine: connection.engine }, target };
const places = placesIn(fullAgentConfig).slice(1);
const altered = fc
  .tuple(
    fc.constantFrom(...places),
    fc.oneof(
      fc.constant({}),
      shapes.map((value) => ({ value })),
    ),
  )
  .map(([path, instead]) =>
    JSON.stringify(Object.assign({}, needed, around(fullAgentConfig, path, instead))),
  );

const text = fc.oneof(
  { weight: 3, arbitrary: altered },
  fc.string(),
  shapes.map((shape) => JSON.stringify(shape) ?? ''),
  mutated(fc.constant(Buffer.from(valid))).map((bytes) => Buffer.from(bytes).toString('utf8')),
  fc.string({
    unit: fc.constantFrom(
      '&a ',
      '*a',
      '[',
      ']',
      '{',
      '}',
      ': ',
      '\n',
      '  ',
      '- ',
      '|',
      '>',
      '!!x ',
      '"',
      '#',
    ),
  }),
);

describe('hostile configuration', function () {
  this.timeout(60_000 + numRuns * 10);

  it('is read as what it says, or refused', () => {
    expect(parseAgentConfig(valid).tunnel.labels).to.have.property('a', 'web');
    const refusedAt = new Set<string>();
    const answers = withstands(text, numRuns, (input) => {
      try {
        const config = parseAgentConfig(input);
        expect(parseAgentConfig(stringifyAgentConfig(config))).to.deep.equal(config);
        return 'read';
      } catch (error) {
        if (!(error instanceof AgentConfigError)) throw error;
        const [place = ''] = error.message.split(': ', 1);
        refusedAt.add(place);
        return error.message.includes('not valid YAML') ? 'no YAML' : 'refused';
      }
    });
    expectAnswers(answers, ['read', 'no YAML', 'refused']);
    const missed = places.map((path) => path.join('.')).filter((place) => !refusedAt.has(place));
    expect(missed.length, `of ${places.length} places: ${missed}`).to.be.below(places.length / 4);
  });

  for (const [what, input] of [
    ['aliases that multiply', bomb(9)],
    ['a million brackets', '['.repeat(1_000_000)],
    ['ten thousand brackets', '['.repeat(10_000)],
    [
      'two thousand nested keys',
      Array.from({ length: 2_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    ],
    ['an alias of itself', 'connection: &a {engine: *a}'],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => parseAgentConfig(input)).to.throw(AgentConfigError);
    });
  }
});

/** Each line names the one before ten times. */
function bomb(levels: number): string {
  const lines = Array.from({ length: levels }, (_, level) => {
    const items = level === 0 ? 'x' : Array.from({ length: 10 }, () => `*l${level - 1}`).join(', ');
    return `l${level}: &l${level} [${items}]`;
  });
  return `${lines.join('\n')}\n`;
}
