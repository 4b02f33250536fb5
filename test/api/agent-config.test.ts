import { expect } from 'chai';
import fc from 'fast-check';

import { parseAgentConfig, stringifyAgentConfig } from '../../src/api/agent-config.ts';
import { AgentConfigError } from '../../src/api/errors.ts';
import { fullAgentConfig } from '../support/full-agent-config.ts';

const minimal = `
connection: {engine: "engine.test:443"}
target: {host: web.shop.svc, port: "80"}
`;

describe('agent configuration', () => {
  it('reads the smallest one', () => {
    expect(parseAgentConfig(minimal)).to.deep.equal({
      connection: { engine: 'engine.test:443' },
      tunnel: {},
      target: { host: 'web.shop.svc', port: '80' },
    });
  });

  it('reads back every key it writes', () => {
    expect(parseAgentConfig(stringifyAgentConfig(fullAgentConfig))).to.deep.equal(fullAgentConfig);
  });

  it('writes equal text whatever the order of the keys, and nothing for unset ones', () => {
    const one = {
      connection: { engine: 'e:1' },
      tunnel: { labels: { b: '2', a: '1' } },
      target: { host: 'h', port: '1' },
    };
    const other = {
      target: { port: '1', host: 'h', protocol: undefined },
      tunnel: { labels: { a: '1', b: '2' }, name: undefined },
      connection: { engine: 'e:1' },
    };

    expect(stringifyAgentConfig(one)).to.equal(stringifyAgentConfig(other));
    expect(stringifyAgentConfig(one)).to.equal(
      'connection:\n  engine: e:1\ntarget:\n  host: h\n  port: "1"\ntunnel:\n  labels:\n    a: "1"\n    b: "2"\n',
    );
  });

  it('quotes what an older YAML reader would take for another type', () => {
    const text = stringifyAgentConfig({ ...fullAgentConfig, tunnel: { name: 'on', labels: { yes: 'no' } } });

    expect(text).to.contain('name: "on"').and.to.contain('"yes": "no"');
  });

  it('treats null and empty strings as not set', () => {
    const text = `${minimal}tunnel: {name: "", hostname: null, labels: {a: "", b: }}\nretry:\n`;

    expect(parseAgentConfig(text).tunnel).to.deep.equal({ labels: { a: '', b: '' } });
  });

  it('copies user keys verbatim', () => {
    const text = `${minimal}tunnel: {labels: {constructor: a, __proto__: b}}\n`;
    const labels = parseAgentConfig(text).tunnel.labels ?? {};

    expect(Object.entries(labels)).to.deep.equal([
      ['constructor', 'a'],
      ['__proto__', 'b'],
    ]);
    expect(stringifyAgentConfig({ ...fullAgentConfig, tunnel: { labels } })).to.contain('__proto__: b');
  });

  const faults: readonly (readonly [string, string])[] = [
    ['', 'connection.engine: is required'],
    ['connection: {engine: e}\ntarget: {port: "1"}', 'target.host: is required'],
    ['connection: {engine: e}\ntarget: {host: h}', 'target.port: is required'],
    ['connection: []', 'connection: must be a mapping, not a list'],
    [`${minimal}extra: 1`, 'extra: is not a known key'],
    [`${minimal}tunnel: {hostName: x}`, 'tunnel.hostName: is not a known key'],
    [`${minimal}tunnel: {__proto__: x}`, 'tunnel.__proto__: is not a known key'],
    [`${minimal}tunnel: {1: x}`, 'tunnel.1: is not a known key; quote it'],
    [`${minimal}tunnel: {publish: "yes"}`, 'tunnel.publish: must be true or false, not "yes"'],
    [`${minimal}tunnel: {name: 7}`, 'tunnel.name: must be a string, not 7'],
    [`${minimal}tunnel: {tcpPort: 0}`, 'tunnel.tcpPort: must be a port from 1 to 65535, not 0'],
    [`${minimal}tunnel: {geoip: [NO, 7]}`, 'tunnel.geoip[1]: must be a string, not 7'],
    [`${minimal}tunnel: {geoip: NO}`, 'tunnel.geoip: must be a list, not "NO"'],
    [
      `${minimal}tunnel: {http: {version: h2}}`,
      'tunnel.http.version: must be one of http/1.1, h2c, h3, not "h2"',
    ],
    [`${minimal}retry: {initial: 1}`, 'retry.initial: must be a string, not 1'],
    [`${minimal}retry: {max: soon}`, 'retry.max: must be a duration such as 500ms, 30s or 1m, not "soon"'],
    [
      'connection: {engine: e}\ntarget: {host: h, port: "65536"}',
      'target.port: must be a port from 1 to 65535, not 65536',
    ],
    [
      'connection: {engine: e}\ntarget: {host: h, port: http}',
      'target.port: must be a port from 1 to 65535, not "http"',
    ],
  ];
  for (const [text, message] of faults) {
    it(`refuses with "${message}"`, () => {
      expect(() => parseAgentConfig(text)).to.throw(AgentConfigError, message);
    });
  }

  it('refuses text that is not YAML, and keys given twice', () => {
    expect(() => parseAgentConfig('a: [')).to.throw(AgentConfigError, 'configuration: is not valid YAML');
    expect(() => parseAgentConfig('a: {\nb')).to.throw(AgentConfigError, /^[^\n]+ at line 2, column \d+$/);
    expect(() => parseAgentConfig(`${minimal}target: {}`)).to.throw(
      AgentConfigError,
      'Map keys must be unique',
    );
    expect(() => parseAgentConfig('['.repeat(100_000))).to.throw(AgentConfigError);
  });

  it('never throws anything but AgentConfigError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.string().map((text) => minimal + text),
        ),
        (text) => {
          try {
            parseAgentConfig(text);
          } catch (error) {
            expect(error).to.be.instanceOf(AgentConfigError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
