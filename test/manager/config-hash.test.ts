import { expect } from 'chai';
import { configHash, digestOf } from '../../src/manager/config-hash.ts';
import { AGENT_PROPS } from '../charts-ts/agent-fixture.ts';

const { config } = AGENT_PROPS;

describe('the hash that rolls agents', () => {
  it('is another one for another configuration or another digest of Secrets, and the same for the same', () => {
    const hash = configHash(config, 'digest');
    expect(configHash(structuredClone(config), 'digest')).to.equal(hash);
    expect(configHash(config, 'another')).to.not.equal(hash);
    const target = { ...config.target, port: '81' };
    expect(configHash({ ...config, target }, 'digest')).to.not.equal(hash);
  });

  it('takes Secrets in through a digest that no order changes and no two maps share', () => {
    const digest = digestOf(
      new Map([
        ['a', '1'],
        ['b', '2'],
      ]),
    );
    const others: readonly (readonly (readonly [string, string])[])[] = [
      [],
      [['a', '1']],
      [
        ['a', '2'],
        ['b', '1'],
      ],
      [
        ['a', '1b'],
        ['2', ''],
      ],
    ];

    expect(
      digestOf(
        new Map([
          ['b', '2'],
          ['a', '1'],
        ]),
      ),
    ).to.equal(digest);
    const digests = new Set([digest, ...others.map((entries) => digestOf(new Map(entries)))]);
    expect(digests.size).to.equal(others.length + 1);
    expect(digest).to.match(/^[0-9a-f]{64}$/);
  });
});
