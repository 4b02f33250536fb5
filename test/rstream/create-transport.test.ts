import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { createTransport } from '../../src/rstream/create-transport.ts';
import { RstreamError } from '../../src/rstream/errors.ts';
import { TlsTransport } from '../../src/rstream/tls-transport.ts';
import { ScriptedEngine } from '../support/scripted-engine.ts';

describe('createTransport', () => {
  it('makes one that connects', async () => {
    const engine = await ScriptedEngine.start();
    try {
      const material = { ca: engine.ca };
      const network = { family: 4 } as const;
      const { transport, warnings } = createTransport(
        { network, tls: { material: () => material } },
        systemClock,
      );
      await engine.open({ transport });
      expect(warnings).to.deep.equal([]);
    } finally {
      await engine.stop();
    }
  });

  it('says that Multipath TCP is not to be had', () => {
    const { warnings } = createTransport({ mptcp: true }, systemClock);
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.contain('mptcp');
  });

  it('knows only TLS where there is a proxy: QUIC would go past it', () => {
    for (const datagram of [true, false]) {
      const { transport } = createTransport(
        { datagram, network: { proxy: { url: 'http://p' } } },
        systemClock,
      );
      expect(transport).to.be.instanceOf(TlsTransport);
    }
  });

  it('refuses QUIC through a proxy', () => {
    expect(() => createTransport({ mode: 'quic', network: { proxy: { url: 'http://p' } } }, systemClock))
      .to.throw(RstreamError)
      .with.property('code', 'ERR_RSTREAM_INVALID_CONFIG');
  });
});
