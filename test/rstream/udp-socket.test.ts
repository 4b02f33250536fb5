import { expect } from 'chai';
import { bindUdp } from '../../src/rstream/udp-socket.ts';
import { rejection } from '../support/streams.ts';

describe('bindUdp', () => {
  it('fails when the system refuses to send to the peer at all', async () => {
    // Nobody may broadcast who has not asked to: refused by connect, as an address without a route is.
    const error = await rejection(bindUdp(4, {}, { host: '255.255.255.255', port: 9 }));
    expect(error).to.have.property('code', 'EACCES');
  });

  it('fails when the port is taken', async () => {
    const { socket, local } = await bindUdp(4, { address: '127.0.0.1' });
    try {
      const error = await rejection(bindUdp(4, { address: '127.0.0.1', port: local.port }));
      expect(error).to.have.property('code', 'EADDRINUSE');
    } finally {
      socket.close();
    }
  });
});
