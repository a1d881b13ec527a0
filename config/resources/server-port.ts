/** Ports that a proxy listens on: Gateway servers and Sidecar listeners; and the protocols Istio knows. */

import { isIP } from 'node:net';
import type { Schema } from './schema.ts';
import { integer, object, text } from './schema.ts';
import { suggestion } from './suggest.ts';
import { checkedText, nameLabel } from './values.ts';
import { isUnixAddress, unixAddressProblem } from './workload-entry.ts';

/** Gateway server or Sidecar listener port. */
export interface Port {
  /** 0 only with a unix socket. */
  readonly number: number;
  /** As written, one of Istio's names in any case; absent where a Sidecar leaves it to sniffing. */
  readonly protocol?: string;
  readonly name?: string;
  /** Deprecated. */
  readonly targetPort?: number;
}

/** Names that Gateway, Sidecar and ServiceEntry ports may carry. */
export const protocols = ['HTTP', 'HTTPS', 'GRPC', 'GRPC-WEB', 'HTTP2', 'MONGO', 'REDIS', 'MYSQL', 'TCP', 'TLS', 'UDP'] as const;

/** Istio's name in capitals; anything else (empty too) is an error. */
export function protocolProblem(protocol: string): string | undefined {
  const name = protocol.toUpperCase();
  if ((protocols as readonly string[]).includes(name)) return undefined;
  return `${JSON.stringify(protocol)} is not a protocol${suggestion(name, protocols)}`;
}

/** A protocol, or empty for "find out". */
export const sniffableProtocol: Schema<string> = checkedText((protocol) => (protocol === '' ? undefined : protocolProblem(protocol)));

export function isHttp(protocol: string): boolean {
  return ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB'].includes(protocol.toUpperCase());
}

export function isTls(protocol: string): boolean {
  return ['HTTPS', 'TLS'].includes(protocol.toUpperCase());
}

const fields = { number: integer(0, 65_535), name: nameLabel, targetPort: integer(0, 65_535) };

/** Name and protocol required. */
export const gatewayPort: Schema<Port> = object<Port>(
  { ...fields, protocol: checkedText(protocolProblem) },
  {
    required: ['number'],
    check: (port, report) => {
      for (const field of ['name', 'protocol'] as const) {
        if (port[field] === undefined) report.error([], `needs ${field}`);
      }
      if (port.targetPort !== undefined) report.deprecated(['targetPort'], 'is deprecated and has no effect; the Service of the gateway maps its ports');
    },
  },
);

export const sidecarPort: Schema<Port> = object<Port>({ ...fields, protocol: sniffableProtocol, name: text }, { required: ['number'] });

/** A number from 1 for an IP address, none for a unix socket. */
export function portNumberProblem(port: Port, bind: string | undefined): string | undefined {
  const unix = isUnixAddress(bind ?? '');
  if (unix && port.number !== 0) return 'must be 0 with a unix socket';
  return !unix && port.number === 0 ? 'must be a whole number from 1 to 65535, got 0' : undefined;
}

/** IP address, or a unix socket where that is allowed. */
export function bindProblem(bind: string, options: { readonly unix: boolean }): string | undefined {
  if (bind === '' || isIP(bind) !== 0) return undefined;
  if (isUnixAddress(bind)) return options.unix ? unixAddressProblem(bind) : 'a unix socket is not allowed here';
  return `${JSON.stringify(bind)} is not an IP address${options.unix ? ' or unix:// socket' : ''}`;
}
