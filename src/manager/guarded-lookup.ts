// Name resolution for the control-plane client: every address DNS answers with is judged, and the socket connects to
// exactly the addresses that were judged, so that a name that changes its mind (rebinding) gains nothing.

import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { CodedError } from '../common/errors.ts';
import { type Cidr, refusedAddress } from './address-policy.ts';
import { MANAGER_ERROR } from './errors.ts';

type Callback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

/** Looks every address of a name up; `node:dns` lookup in production. */
export type ResolveAll = (
  hostname: string,
  options: { readonly all: true; readonly family?: number },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export type Lookup = (hostname: string, options: LookupOptions, callback: Callback) => void;

/** A `lookup` for net.connect that fails with ERR_MANAGER_ADDRESS_REFUSED when any address of the name is not allowed. */
export function guardedLookup(allowed: readonly Cidr[], resolveAll: ResolveAll = systemLookup): Lookup {
  return (hostname, options, callback) => {
    const family = options.family === 4 || options.family === 6 ? { family: options.family } : {};
    resolveAll(hostname, { all: true, ...family }, (error, addresses) => {
      if (error) return callback(error, []);
      const refusal = addresses
        .map(({ address }) => judge(hostname, address, allowed))
        .find((found) => found !== undefined);
      if (refusal !== undefined) return callback(refusal, []);

      const [first] = addresses;
      if (options.all) return callback(null, addresses);
      if (first === undefined) return callback(new Error(`${hostname} has no address`), []);
      return callback(null, first.address, first.family);
    });
  };
}

/** The same judgement for a host that is an address already: no lookup happens for those. */
export function refuseLiteral(hostname: string, allowed: readonly Cidr[]): CodedError | undefined {
  return judge(hostname, hostname, allowed);
}

function judge(hostname: string, address: string, allowed: readonly Cidr[]): CodedError | undefined {
  const why = refusedAddress(address, allowed);
  if (why === undefined) return undefined;
  const subject = hostname === address ? address : `${hostname} resolves to ${address}, which`;
  return new CodedError(
    MANAGER_ERROR.addressRefused,
    `${subject} is refused as a control plane because ${why}; choose a public one, or allow the address with --control-plane-allow-cidr`,
  );
}
