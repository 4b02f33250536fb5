// Servers that listen where a flag says, and say which flag to change when they cannot.

import type { AddressInfo, Server } from 'node:net';
import { CodedError, codeOf, messageOf } from './errors.ts';
import type { ListenAddress } from './listen-address.ts';

/** Resolves with the bound port. Rejects with ERR_LISTEN, whose message begins with `flag`, for example `--listen`. */
export function listen(server: Server, address: ListenAddress, flag: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, address, flag)));
    server.listen({ host: address.host, port: address.port }, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });
}

function listenError(error: Error, { host, port }: ListenAddress, flag: string): CodedError {
  const where = `${host?.includes(':') ? `[${host}]` : (host ?? '')}:${port}`;
  return new CodedError('ERR_LISTEN', `${flag} ${where}: ${reason(error)}`, { cause: error });
}

function reason(error: Error): string {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return 'another process listens there; end it, or choose another port';
    case 'EADDRNOTAVAIL':
      return 'this machine does not have that address; choose one of its own';
    case 'EACCES':
      return 'this user may not listen there; choose a port from 1024 on';
    default:
      return messageOf(error);
  }
}
