// What /proc/net/tcp says, as text and of real sockets; how often it is read.

import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '../../src/common/clock.ts';
import { parseSocketTable, ports, SocketTable } from '../../src/rstream/socket-table.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { tcpService } from '../support/tcp-service.ts';

const text = `
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:D431 0200000A:01BB 01 0000002A:00000007 01:00000014 00000000     0        0 2
  12: 0100007F:D431 0300000A:01BB 01 00000001:00000000 00:00000000 00000000     0        0 3
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:D432 08 00100000:00000000 00:0
`;

describe('SocketTable', () => {
  it('knows of each pair of ports how much is on its way, of either family', () => {
    expect([...parseSocketTable(text)]).to.deep.equal([
      ['443 0', 0],
      ['54321 443', 43],
      ['8080 54322', 1_048_576],
    ]);
    expect([...parseSocketTable('')]).to.deep.equal([]);
  });

  it('sees what a peer that does not read has not taken', async () => {
    const service = await tcpService((socket) => socket.pause());
    const socket = connect(service.port, '127.0.0.1');
    await once(socket, 'connect');
    const key = ports(socket) ?? '';
    const table = new SocketTable(systemClock);
    const left = async () => (await table.look())?.get(key);
    expect(await left()).to.equal(0);
    socket.write(Buffer.alloc(32 * 1024 * 1024));
    await eventually('something is stuck', async () => ((await left()) ?? 0) > 0);
    socket.destroy();
    expect(ports(socket)).to.equal(undefined);
    await service.close();
  });

  it('is read for all who ask meanwhile together, and again for those who ask later, after a rest', async () => {
    const clock = new ManualClock();
    const reads: PromiseWithResolvers<string>[] = [];
    const table = new SocketTable(clock, () => {
      const read = Promise.withResolvers<string>();
      reads.push(read);
      return read.promise;
    });
    const first = [table.look(), table.look()];
    await clock.advance(10);
    const later = [table.look(), table.look()];
    await clock.advance(10);
    expect(reads).to.have.length(1);
    reads[0]?.resolve(text);
    expect((await Promise.all(first)).map((seen) => seen?.size)).to.deep.equal([3, 3]);
    await clock.advance(199);
    expect(reads).to.have.length(1);
    await clock.advance(1);
    expect(reads).to.have.length(2);
    reads[1]?.reject(new Error('no such file'));
    expect(await Promise.all(later)).to.deep.equal([undefined, undefined]);
  });
});
